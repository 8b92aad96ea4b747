import MarketModel
import Primitives
import StoredBars

/// Where candles, volumes and marks are in the picture: heights from 0 (bottom) to 1 (top), places
/// from 0 (left) to 1 (right). Pure.
struct ChartBoard: Equatable {
    /// Fewer bars leave room, so that none is wider than people expect.
    static let slotsMin = 20
    /// About so many marks are at an axis.
    private static let marks: Int128 = 8
    private static let timesMax = 5

    /// The heights of the prices of a version.
    struct Shape: Equatable {
        let open: Double
        let high: Double
        let low: Double
        let close: Double
    }

    /// A version that a later one replaced.
    struct Ghost: Equatable {
        let version: BarVersion
        /// 1: as the bar was closed.
        let number: Int64
        /// `nil` without prices.
        let shape: Shape?
        let volume: Double
    }

    struct Candle: Equatable {
        let row: BarRow
        let shape: Shape?
        let volume: Double
        /// The oldest first.
        let ghosts: [Ghost]
        let quote: StandingQuote?
        /// The heights of the quote's sides. `nil` without a price, and far away from all bars.
        let bid: Double?
        let ask: Double?
    }

    struct Mark: Equatable {
        let place: Double
        let text: String
    }

    let candles: [Candle]
    let slots: Int
    let prices: [Mark]
    let times: [Mark]
    /// The volume of height 1, in units of `Quantity`.
    let volumeMax: Int128

    init(_ page: BarPage) {
        let versions = page.items.flatMap { $0.replaced + [$0.row.standing] }
        let scale = Scale(versions.map(\.values), page.items.compactMap(\.quote))
        let most = versions.map(\.values.volume).max() ?? 0
        func volume(_ values: BarVersion.Values) -> Double {
            most > 0 ? Double(max(0, values.volume)) / Double(most) : 0
        }
        candles = page.items.map { item in
            Candle(
                row: item.row, shape: scale?.shape(item.row.standing.values),
                volume: volume(item.row.standing.values),
                ghosts: item.replaced.enumerated().map { index, version in
                    // All versions above one are stored, or it is not stored itself.
                    let above = Int64(item.replaced.count - 1 - index)
                    return Ghost(
                        version: version, number: max(1, item.row.replaced - above),
                        shape: scale?.shape(version.values), volume: volume(version.values))
                },
                quote: item.quote, bid: item.quote.flatMap { scale?.visible($0.bid) },
                ask: item.quote.flatMap { scale?.visible($0.ask) })
        }
        slots = max(Self.slotsMin, candles.count)
        prices = scale?.marks(about: Self.marks) ?? []
        times = Self.times(candles, slots)
        volumeMax = most
    }

    /// The place of a candle's middle.
    func place(_ index: Int) -> Double { (Double(index) + 0.5) / Double(slots) }

    private static func times(_ candles: [Candle], _ slots: Int) -> [Mark] {
        let hasSeconds = candles.contains {
            $0.row.identity.openTime.nanoseconds % 60_000_000_000 != 0
        }
        let step = max(1, (candles.count + timesMax - 1) / timesMax)
        return stride(from: 0, to: candles.count, by: step).map { index in
            let text = "\(candles[index].row.identity.openTime)".dropFirst(5)
            return Mark(
                place: (Double(index) + 0.5) / Double(slots),
                text: String(text.prefix(hasSeconds ? 14 : 11)).replacing("T", with: " "))
        }
    }
}

/// Which price is at which height. There is some room above and below.
private struct Scale {
    private let low: Int128
    private let high: Int128

    /// `nil` if there is no price. A quote that is far away from all bars, as some are before the
    /// market opens, would leave no room for them: it counts only within the height of all bars.
    init?(_ values: [BarVersion.Values], _ quotes: [StandingQuote]) {
        let prices = values.flatMap { [$0.low, $0.high, $0.open, $0.close] }.filter(\.isDefined)
        guard let least = prices.min(), let most = prices.max() else { return nil }
        var (bottom, top) = (Int128(least.raw), Int128(most.raw))
        let reach = max(top - bottom, bottom.magnitudeOf / 1_000)
        let near = (bottom - reach)...(top + reach)
        for price in quotes.flatMap({ [$0.bid, $0.ask] }) where price.isDefined {
            guard near.contains(Int128(price.raw)) else { continue }
            bottom = min(bottom, Int128(price.raw))
            top = max(top, Int128(price.raw))
        }
        let room = top > bottom ? max(1, (top - bottom) / 20) : max(1, bottom.magnitudeOf / 1_000)
        low = bottom - room
        high = top + room
    }

    private func height(_ price: Price) -> Double {
        Double(Int128(price.raw) - low) / Double(high - low)
    }

    /// The height of a price within the picture. `nil` for others.
    func visible(_ price: Price) -> Double? {
        price.isDefined && (low...high).contains(Int128(price.raw)) ? height(price) : nil
    }

    func shape(_ values: BarVersion.Values) -> ChartBoard.Shape? {
        guard values.open.isDefined, values.high.isDefined, values.low.isDefined,
            values.close.isDefined
        else { return nil }
        return ChartBoard.Shape(
            open: height(values.open), high: height(values.high), low: height(values.low),
            close: height(values.close))
    }

    /// Returns marks at round prices: steps of 1, 2 or 5 times a power of ten.
    func marks(about count: Int128) -> [ChartBoard.Mark] {
        let least = max(1, (high - low) / count)
        var power: Int128 = 1
        while power * 10 <= least { power *= 10 }
        let step = [1, 2, 5, 10].map { power * $0 }.first { $0 >= least } ?? least
        var marks: [ChartBoard.Mark] = []
        var price = low - low % step
        if price < low { price += step }
        while price <= high {
            if let raw = Int64(exactly: price) {
                let price = Price(raw: raw)
                marks.append(ChartBoard.Mark(place: height(price), text: "\(price)"))
            }
            price += step
        }
        return marks
    }
}

extension Int128 {
    fileprivate var magnitudeOf: Int128 { self < 0 ? -self : self }
}
