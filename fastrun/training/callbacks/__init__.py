"""Lightning callbacks: what a run does beside training. They act in the order that ``assemble`` lists them in."""
