package import MarketModel
package import PostgresClient
import Primitives

/// The best bid and ask at one moment. Undefined prices are those of a side without any.
package struct StandingQuote: Equatable, Sendable {
    package let bid: Price
    package let ask: Price

    package init(bid: Price, ask: Price) {
        self.bid = bid
        self.ask = ask
    }
}

// What stood in the book while bars were made.
extension BarReader {
    /// So many of the newest quotes of a symbol before the end of a bar are looked through for one
    /// of the bar's source.
    private static let seenQuotes = 200

    /// Adds to each bar of a page the quote of its source that stood at the bar's end. Quotes from
    /// before the first bar are not looked for.
    package func addQuotes(to page: inout BarPage) throws(PostgresError) {
        guard let first = page.items.first?.row.identity,
            let last = page.items.map(\.row.closeTime).max()
        else { return }
        func microseconds(_ time: Timestamp) -> Int64 {
            time.floored(toNanoseconds: 1_000).nanoseconds / 1_000
        }
        let ends = page.items.map { microseconds($0.row.closeTime) }
        let begins = [microseconds(first.openTime)] + ends.dropLast()
        // Of days outside these bounds nothing is opened.
        let rows = try run(
            """
            SELECT bar.place, found.is_own, found.bid_price, found.ask_price, found.seen
            FROM unnest($3::bigint[], $4::bigint[]) WITH ORDINALITY AS bar (begins, ends, place)
            CROSS JOIN LATERAL (
                SELECT source = $2 AS is_own, bid_price, ask_price, count(*) OVER () AS seen FROM (
                    SELECT source, ts, epoch, ordinal, bid_price, ask_price FROM quotes
                    WHERE symbol = $1 AND ts >= $5 AND ts < $6
                        AND ts >= timestamptz 'epoch' + bar.begins * interval '1 microsecond'
                        AND ts < timestamptz 'epoch' + bar.ends * interval '1 microsecond'
                    ORDER BY ts DESC LIMIT \(Self.seenQuotes)
                ) AS newest
                ORDER BY source = $2 DESC, ts DESC, epoch DESC, ordinal DESC LIMIT 1
            ) AS found
            ORDER BY bar.place
            """,
            [
                .text(first.symbol.text), .text(first.source.text), .integerArray(begins),
                .integerArray(ends), .timestamp(first.openTime), .timestamp(last),
            ])
        var standing: StandingQuote?
        var row = 0
        for index in page.items.indices {
            if row < rows.rowCount, rows.integer(row, 0) == Int64(index + 1) {
                if rows.bool(row, 1) == true {
                    standing = StandingQuote(
                        bid: Self.price(rows, row, 2), ask: Self.price(rows, row, 3))
                } else if rows.integer(row, 4) ?? 0 >= Self.seenQuotes {
                    // It is behind those that were looked through, or not there.
                    standing = nil
                }
                row += 1
            }
            page.items[index].quote = standing
        }
    }
}
