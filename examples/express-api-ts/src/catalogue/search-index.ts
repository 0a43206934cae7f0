import type { Product } from './product.js';
import { tokenize } from './tokenizer.js';

const TITLE_WEIGHT = 3;
const DESCRIPTION_WEIGHT = 1;

interface Posting {
  readonly position: number;
  score: number;
}

export interface SearchHit {
  readonly product: Product;
  readonly score: number;
}

/** An inverted index over titles and descriptions, with the products themselves by SKU. */
export class SearchIndex {
  readonly #products: Product[] = [];
  readonly #bySku = new Map<string, Product>();
  readonly #postings = new Map<string, Posting[]>();

  constructor(products: Iterable<Product>) {
    for (const product of products) this.add(product);
  }

  get size(): number {
    return this.#products.length;
  }

  add(product: Product): void {
    const position = this.#products.push(product) - 1;
    this.#bySku.set(product.sku, product);
    this.#addText(product.title, position, TITLE_WEIGHT);
    this.#addText(product.description, position, DESCRIPTION_WEIGHT);
  }

  find(sku: string): Product | undefined {
    return this.#bySku.get(sku);
  }

  /** The products that hold every word of the query, best score first; equal scores in the order of the catalogue. */
  search(query: string, limit = 20): SearchHit[] {
    const words = tokenize(query);
    const scores = new Map<number, { matched: number; score: number }>();
    words.forEach((word, index) => {
      for (const posting of this.#postings.get(word) ?? []) {
        const entry = scores.get(posting.position);
        if (entry === undefined) {
          if (index === 0) scores.set(posting.position, { matched: 1, score: posting.score });
        } else if (entry.matched === index) {
          entry.matched += 1;
          entry.score += posting.score;
        }
      }
    });
    const hits: SearchHit[] = [];
    for (const [position, { matched, score }] of scores) {
      const product = this.#products[position];
      if (product !== undefined && matched === words.length) hits.push({ product, score });
    }
    return hits.sort((left, right) => right.score - left.score).slice(0, limit);
  }

  #addText(text: string, position: number, weight: number): void {
    for (const word of tokenize(text)) {
      const postings = this.#postings.get(word);
      if (postings === undefined) {
        this.#postings.set(word, [{ position, score: weight }]);
        continue;
      }
      const last = postings[postings.length - 1];
      if (last !== undefined && last.position === position) last.score += weight;
      else postings.push({ position, score: weight });
    }
  }
}
