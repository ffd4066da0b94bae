"""The backend's endpoints, one blueprint each."""
