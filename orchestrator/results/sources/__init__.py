"""From a plan and a store to the spec and the code that its rows came from, and to what has changed since."""
