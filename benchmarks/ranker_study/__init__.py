"""Parts of `ranker_gate.py` and `ranker_correction.py`: streams of trials, and logs of unions."""
