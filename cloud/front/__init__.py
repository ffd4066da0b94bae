"""In front of the app: requests are read whole before a thread serves them."""
