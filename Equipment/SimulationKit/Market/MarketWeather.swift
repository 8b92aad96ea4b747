package import Primitives

/// The events of a simulated market, and how often they occur. Chances are per thousand ticks or
/// packets.
package struct MarketWeather: Sendable {
    package var sources = 1
    /// The number of symbols of each source. With several sources there is one more, which they
    /// feed in turn.
    package var symbols = 2
    /// The beginning of the names of all symbols, so that those of two partitions differ.
    package var prefix = ""
    package var packets = 40
    package var ticksPerPacketMax = 5
    /// The upper bound of the distance between two ticks, in nanoseconds.
    package var pace: Int64 = 400_000_000
    /// How much earlier than the source's present time its watermark is.
    package var delay: Int64 = 1_500_000_000

    /// Packets that contain only the time.
    package var idle = 150
    /// Pauses of up to `pauseMax` between two packets.
    package var pauses = 30
    package var pauseMax: Int64 = 90_000_000_000

    /// Ticks that are older than the watermark, by up to `lateMax`.
    package var late = 60
    package var lateMax: Int64 = 12_000_000_000
    package var quotes = 200
    package var snapshots = 10
    package var undefined = 15
    package var oddLots = 120
    package var conditions = 150
    /// Ticks that come twice, with different ordinals.
    package var repeats = 30
    /// Ticks to which their provider gives no id.
    package var withoutID = 80
    /// Pairs of ticks in one nanosecond.
    package var ties = 60

    /// Symbols that change to another provider of their source, or to another source.
    package var switches = 20
    /// Subscriptions that begin again.
    package var restarts = 15

    /// Steps at which a provider's bars come, of which some come twice, again with other values,
    /// late, or are unfinished, impossible or of another length.
    package var providerBars = 0

    /// Steps at which a provider's values come: several at once, of earlier periods, corrected, or
    /// told again.
    package var values = 0

    /// Steps at which books change.
    package var depth = 0

    /// Changes of a symbol's round lot, without a new subscription. Before the first one, the
    /// definitions of a symbol state no lot.
    package var lots = 0

    /// Trades that are cancelled or corrected.
    package var busts = 0
    /// Ticks that a source leaves out. A gap record and, later, backfill follow.
    package var gaps = 0
    /// Fillings whose record covers only the first half of the gap.
    package var partFills = 300
    /// Whether a source leaves out quotes in a gap, too: above 0.
    package var missedQuotes = 0
    /// Quotes that a source holds back, so that they reach the tape behind later ticks.
    package var heldQuotes = 0
    /// Steps at which a quote is fetched for a time of which none was reported as missing: right
    /// before a second that no record makes dirty.
    package var strayQuotes = 0
    /// Repair requests of a person.
    package var repairs = 0
    /// Single trades that a person cancels, corrects or restores.
    package var changes = 0

    /// Steps at which a source falls silent for up to `silenceMax`, with its ticks missing or
    /// reported later.
    package var silences = 0
    package var silenceMax: Int64 = 15_000_000_000
    /// Steps at which a person retires a source. Most of them come back.
    package var retirements = 0
    /// Whether the last source has delayed data.
    package var hasDelayed = false
    /// How much later than others the ticks of the delayed source come.
    package static let delayedBy: Int64 = 900_000_000_000

    /// Adds what matters where trades are paired with quotes.
    package mutating func addQuotes() {
        (quotes, missedQuotes, heldQuotes, strayQuotes) = (500, 1, 150, 100)
    }

    /// Adds what matters where books are followed. Pauses may be longer than a book is known.
    package mutating func addBooks() {
        (depth, pauses, pauseMax) = (700, 60, 150_000_000_000)
    }

    /// Whether sources come and go.
    var hasLife: Bool { silences > 0 || retirements > 0 || hasDelayed }

    package init() {}

    /// Makes the weather of one seed. Each world lacks some of it, so that every mixture occurs.
    package init(
        using random: inout SeededRandom, withRepairs: Bool = false, withLife: Bool = false
    ) {
        sources = Int.random(in: 1...3, using: &random)
        symbols = Int.random(in: 1...3, using: &random)
        packets = Int.random(in: 10...60, using: &random)
        ticksPerPacketMax = Int.random(in: 1...8, using: &random)
        pace = [20_000_000, 400_000_000, 3_000_000_000].randomElement(using: &random) ?? pace
        delay = [0, 1_500_000_000, 8_000_000_000].randomElement(using: &random) ?? delay
        for chance in Self.chances where Bool.random(using: &random) {
            self[keyPath: chance] = 0
        }
        if Bool.random(using: &random) { lots = 80 }
        if withRepairs { addRepairs(using: &random) }
        if withLife { addLife(using: &random) }
    }

    private mutating func addRepairs(using random: inout SeededRandom) {
        busts = 40
        gaps = 40
        repairs = 30
        changes = 80
        for chance in Self.repairChances where Int.random(in: 0..<3, using: &random) == 0 {
            self[keyPath: chance] = 0
        }
    }

    private mutating func addLife(using random: inout SeededRandom) {
        sources = Int.random(in: 2...4, using: &random)
        hasDelayed = Bool.random(using: &random)
        silences = 60
        retirements = 60
        if repairs > 0 { repairs = 200 }
        for chance in [\.silences, \.retirements] as [WritableKeyPath<MarketWeather, Int>]
        where Int.random(in: 0..<4, using: &random) == 0 {
            self[keyPath: chance] = 0
        }
    }

    private static var chances: [WritableKeyPath<MarketWeather, Int>] {
        [
            \.idle, \.pauses, \.late, \.quotes, \.snapshots, \.undefined, \.oddLots, \.conditions,
            \.repeats, \.ties, \.switches, \.restarts, \.withoutID,
        ]
    }

    private static var repairChances: [WritableKeyPath<MarketWeather, Int>] {
        [\.busts, \.gaps, \.repairs, \.changes]
    }
}
