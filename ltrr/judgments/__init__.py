"""Judgments: grades of entities for queries by people or other tools, read, written and compared.

They are a second witness in reports. No reward, no training and no gate uses them.
"""
