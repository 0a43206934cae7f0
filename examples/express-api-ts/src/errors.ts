import type { ErrorRequestHandler } from 'express';

/** An error with a message that may be shown to the caller. */
export class HttpError extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly details: readonly string[] = [],
  ) {
    super(message);
    this.name = 'HttpError';
  }
}

export const errorHandler: ErrorRequestHandler = (error, _request, response, _next) => {
  if (error instanceof HttpError) {
    response.status(error.status).json({ error: error.message, details: error.details });
    return;
  }
  const status = typeof error?.status === 'number' ? error.status : 500;
  response.status(status).json({ error: status === 500 ? 'internal error' : String(error.message), details: [] });
};
