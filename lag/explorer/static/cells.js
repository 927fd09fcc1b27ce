// Picking cells of a canvas that shows a picture of so many columns and rows: strokes of a pointer, or the keyboard.

export class CellPicker {
  // size() -> [columns, rows]; enabled(); paint(cell, first) for each cell of a stroke; done() at its end.
  constructor(canvas, { size, enabled, paint, done, moved }) {
    Object.assign(this, { canvas, size, enabled, paint, done, moved, cursor: null, last: null });
    canvas.addEventListener("pointerdown", (e) => this.down(e));
    canvas.addEventListener("pointermove", (e) => this.last !== null && this.stroke(e));
    canvas.addEventListener("pointerup", () => this.up());
    canvas.addEventListener("pointercancel", () => this.up());
    canvas.addEventListener("keydown", (e) => this.key(e));
    canvas.addEventListener("blur", () => this.place(null));
  }

  place(cursor) {
    this.cursor = cursor;
    this.moved?.();
  }

  at(e) {
    const [columns, rows] = this.size();
    const box = this.canvas.getBoundingClientRect();
    const column = Math.floor(((e.clientX - box.left) / box.width) * columns);
    const row = Math.floor(((e.clientY - box.top) / box.height) * rows);
    return [Math.max(0, Math.min(rows - 1, row)), Math.max(0, Math.min(columns - 1, column))];
  }

  down(e) {
    if (!this.enabled() || e.button !== 0) return;
    e.preventDefault();
    this.canvas.setPointerCapture(e.pointerId);
    this.last = this.at(e);
    this.paint(this.last, true);
  }

  stroke(e) {
    const [row, column] = this.at(e);
    const [fromRow, fromColumn] = this.last;
    const steps = Math.max(Math.abs(row - fromRow), Math.abs(column - fromColumn));
    for (let i = 1; i <= steps; i++) {
      const part = i / steps;
      this.paint(
        [Math.round(fromRow + part * (row - fromRow)), Math.round(fromColumn + part * (column - fromColumn))],
        false,
      );
    }
    this.last = [row, column];
  }

  up() {
    if (this.last === null) return;
    this.last = null;
    this.done();
  }

  key(e) {
    const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[e.key];
    if (!this.enabled() || (!step && e.key !== " ") || e.ctrlKey || e.metaKey || e.altKey) return;
    e.preventDefault();
    const [columns, rows] = this.size();
    const [row, column] = this.cursor ?? [0, 0];
    if (step) {
      const moved = [row + step[0], column + step[1]];
      this.place([Math.max(0, Math.min(rows - 1, moved[0])), Math.max(0, Math.min(columns - 1, moved[1]))]);
    } else {
      this.place([row, column]);
      this.paint([row, column], true);
      this.done();
    }
  }
}
