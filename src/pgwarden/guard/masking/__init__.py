"""How masks are applied to a judged statement; `guard.masks` is the way in."""
