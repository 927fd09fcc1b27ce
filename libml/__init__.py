"""The library under LAG: layers, data, schedule, training loop. It knows no method and imports nothing from lag."""
