"""What every answer goes through, and the script that draws figures in a browser."""
