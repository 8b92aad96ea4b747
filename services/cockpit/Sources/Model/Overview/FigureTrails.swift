import Primitives

/// The last 15 minutes of the numbers of the first page. While no page looks, nothing is measured,
/// and a line has a hole. Pure.
struct FigureTrails: Sendable {
    enum Line: String, CaseIterable, Sendable {
        case ticks, bars, stored, operators, writers, commit, room

        /// Whether the worst of a slot is its highest value, which then stands for it. Of others
        /// the last value stands.
        fileprivate var isLateness: Bool {
            switch self {
            case .operators, .writers, .commit: true
            case .ticks, .bars, .stored, .room: false
            }
        }
    }

    /// A line has one value in this time, a slot.
    static let slotNanoseconds: Int64 = 5_000_000_000
    /// The most slots. The oldest ones are forgotten.
    static let slotsMax = 180
    /// Pages take a line as old when its newest slot ended so long ago.
    static let ageMaxSeconds = 12.5

    /// By line as many slots as the others have, the oldest first. A slot without a value is `nil`.
    private var lines: [Line: [Double?]] = [:]
    /// How many slots there are.
    private var count = 0
    /// The number of the newest slot, which is open.
    private var slot = Int64.min

    /// Notes what is known now. Numbers that are not known now have to be `nil`.
    mutating func note(_ figures: [Overview.Figure], at now: MonotonicTime) {
        begin(now.nanoseconds / Self.slotNanoseconds)
        for figure in figures {
            guard let line = figure.line, let number = figure.number, number.isFinite else {
                continue
            }
            let before = lines[line]?[count - 1]
            let isWorse = !line.isLateness || before.map { number > $0 } ?? true
            if isWorse { lines[line]?[count - 1] = number }
        }
    }

    /// Opens the slot of this number, with holes for those in which no page looked.
    private mutating func begin(_ number: Int64) {
        guard number > slot else { return }
        let passed = slot == .min ? 1 : Int(min(number - slot, Int64(Self.slotsMax)))
        slot = number
        count = min(count + passed, Self.slotsMax)
        for line in Line.allCases {
            let longer = (lines[line] ?? []) + Array(repeating: nil, count: passed)
            lines[line] = Array(longer.suffix(Self.slotsMax))
        }
    }

    /// The slots that have ended. It changes when one ends.
    var json: [UInt8] {
        JSONWriter.made(capacity: 16_384) { writer in
            guard count > 1 else { return }
            let seconds = Double(Self.slotNanoseconds) / 1e9
            writer.member("at", Double(slot) * seconds)
            writer.member("limit", Self.ageMaxSeconds)
            writer.member("every", seconds)
            writer.member("slots", Self.slotsMax)
            writer.object("lines") { writer in
                for line in Line.allCases {
                    writer.array(line.rawValue) { writer in
                        for value in (lines[line] ?? []).dropLast() {
                            Self.write(value, &writer)
                        }
                    }
                }
            }
        }.bytes
    }

    /// With three digits, which is more than a line shows.
    private static func write(_ value: Double?, _ writer: inout JSONWriter) {
        guard let value else { return writer.literal("null") }
        writer.value(value >= 100 ? value.rounded() : (value * 100).rounded() / 100)
    }
}
