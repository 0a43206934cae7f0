export interface OrderLine {
  readonly sku: string;
  readonly quantity: number;
  readonly cancelled: boolean;
}

export interface Order {
  readonly id: string;
  readonly currency: string;
  readonly country: string;
  readonly giftMessage?: string;
  readonly lines: readonly OrderLine[];
}

/** An order line with what the catalogue knows about it: cents and grams for one piece. */
export interface PricedLine extends OrderLine {
  readonly unitPrice: number;
  readonly unitWeight: number;
}

export interface Quote {
  readonly orderId: string;
  readonly currency: string;
  readonly subtotal: number;
  readonly discount: number;
  readonly shipping: number;
  readonly tax: number;
  readonly total: number;
}
