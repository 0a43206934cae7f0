import { createApp } from './app.js';
import { seedProducts } from './catalogue/product.js';

const port = Number(process.env.PORT ?? 3000);
const host = process.env.HOST ?? '127.0.0.1';

const server = createApp(seedProducts).listen(port, host, () => {
  console.log(`storefront-api listens on http://${host}:${port}`);
});

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => server.close());
}
