"""What a sweep file may say of a program that it measures."""
