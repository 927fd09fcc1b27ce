// What goes wrong on the other side, as one line; the status is that of HTTP: 404 for a picture that is not known.

export class ApiError extends Error {
  constructor(status, text) {
    super(text);
    this.status = status;
  }
}
