"""From replicates to intervals and from curves to laws; numbers alone."""
