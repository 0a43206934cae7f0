import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { formatPrice, seedProducts, type Product } from '../src/catalogue/product.js';
import { SearchIndex } from '../src/catalogue/search-index.js';
import { tokenize } from '../src/catalogue/tokenizer.js';

const product = (sku: string, title: string, description: string): Product => ({
  sku,
  title,
  description,
  price: 100,
  weight: 10,
});

describe('tokenize', () => {
  it('gives words in lower case and in their order', () => {
    assert.deepEqual(tokenize('Steel BOTTLE, 750ml'), ['steel', 'bottle', '750ml']);
  });

  it('leaves out stop words wherever they stand in the list', () => {
    assert.deepEqual(tokenize('A lamp for the tent, most of all if yours'), ['lamp', 'tent']);
  });

  it('keeps words that merely contain a stop word', () => {
    assert.deepEqual(tokenize('theatre android youth'), ['theatre', 'android', 'youth']);
  });

  it('keeps repeated words', () => {
    assert.deepEqual(tokenize('light light'), ['light', 'light']);
  });

  it('gives nothing for text without words', () => {
    assert.deepEqual(tokenize(' -- !'), []);
    assert.deepEqual(tokenize(''), []);
    assert.deepEqual(tokenize('and the'), []);
  });

  it('does not take names of object members for stop words', () => {
    assert.deepEqual(tokenize('constructor has size length'), ['constructor', 'size', 'length']);
  });
});

describe('SearchIndex', () => {
  const index = new SearchIndex([
    product('AA-100', 'Warm lamp', 'a lamp for the tent'),
    product('AA-200', 'Tent', 'room for two and a lamp'),
    product('AA-300', 'Rope', 'strong'),
  ]);

  it('counts words of the title three times', () => {
    assert.deepEqual(
      index.search('tent').map(({ product: { sku }, score }) => [sku, score]),
      [
        ['AA-200', 3],
        ['AA-100', 1],
      ],
    );
  });

  it('wants every word of the query', () => {
    assert.deepEqual(
      index.search('the lamp in the tent').map((hit) => [hit.product.sku, hit.score]),
      [
        ['AA-100', 5],
        ['AA-200', 4],
      ],
    );
    assert.deepEqual(index.search('tent rope'), []);
  });

  it('finds nothing for a query of stop words', () => {
    assert.deepEqual(index.search('for the'), []);
  });

  it('keeps to the limit', () => {
    assert.equal(index.search('lamp', 1).length, 1);
  });

  it('finds products by SKU', () => {
    assert.equal(index.find('AA-300')?.title, 'Rope');
    assert.equal(index.find('AA-999'), undefined);
  });

  it('holds the whole seed catalogue', () => {
    assert.equal(new SearchIndex(seedProducts).size, seedProducts.length);
  });
});

describe('formatPrice', () => {
  it('writes two digits after the point', () => {
    assert.equal(formatPrice(2490, 'EUR'), '24.90 EUR');
    assert.equal(formatPrice(5, 'GBP'), '0.05 GBP');
  });
});
