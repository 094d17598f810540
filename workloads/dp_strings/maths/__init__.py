"""The mathematics of private string distances."""
