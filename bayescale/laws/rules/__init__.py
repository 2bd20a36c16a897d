"""Rules read off runs or laws without a posterior: Kaplan's, and IsoFLOP curves."""
