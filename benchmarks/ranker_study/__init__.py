"""What `ranker_gate.py` and `ranker_correction.py` are made of: streams of trials, and logs of unions."""
