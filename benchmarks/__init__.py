"""What is fast, and the proof: whole processes, measured from outside, beside what they rival."""
