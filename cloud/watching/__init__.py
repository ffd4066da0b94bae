"""What an operator watches: logs and metrics."""
