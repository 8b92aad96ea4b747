import MarketModel
import Primitives

/// The volume of one symbol of one source, beside the provider's. Volumes are in 1e-8.
struct ReconciledDay: Equatable, Sendable {
    enum Verdict: String, Sendable {
        /// The volumes agree.
        case equal
        /// They differ by volume that the provider counts differently.
        case explained
        /// The provider's volume is in lots, or ours is.
        case lots
        /// Ticks are missing, and what the provider has in that time is not known.
        case gap
        /// The provider's bar was not over when it came last.
        case inProgress = "in_progress"
        case differs
    }

    /// A part of the difference.
    struct Part: Equatable, Sendable {
        let name: String
        let volume: Int128
    }

    let symbol: String
    let source: String
    let provided: Int128
    let counted: Int128
    let bars: String
    let from: String
    let to: String
    /// Seconds of the windows in which trades are missing.
    let missing: String
    /// Volume by kind, whether it explains anything or not. Kinds overlap, and are at most as large
    /// as all that counts; `cancelled` alone is beside it.
    let kinds: [Part]
    private(set) var verdict = Verdict.differs
    private(set) var explanation: [Part] = []

    /// The difference to the provider's volume.
    var difference: Int128 { counted - provided }

    /// Lots in which providers send sizes.
    private static let lots: [Int128] = [100, 10, 40]
    /// Beyond this no sum and no product overflows.
    private static let volumeMax = Int128.max / 4_000_000

    /// Takes the columns of `ReconcileQuery`. Returns `nil` if a volume is out of range.
    init?(_ row: [String?], tolerance: Int) {
        func volume(_ column: Int) -> Int128? {
            guard let text = row[column] else { return nil }
            return Self.volume(text)
        }
        let first = 10
        guard row.count == first + ReconcileQuery.kinds.count, let provided = volume(2),
            let counted = volume(3)
        else { return nil }
        symbol = row[0] ?? "-"
        source = row[1] ?? "-"
        (self.provided, self.counted) = (provided, counted)
        bars = row[4] ?? "-"
        (from, to) = (row[5] ?? "-", row[6] ?? "-")
        missing = row[8] ?? "0"
        var kinds: [Part] = []
        for (index, name) in ReconcileQuery.kinds.enumerated() {
            guard let found = volume(first + index) else { return nil }
            if found > 0 { kinds.append(Part(name: name, volume: found)) }
        }
        self.kinds = kinds
        let limit =
            provided / 1_000_000 * Int128(tolerance)
            + provided % 1_000_000 * Int128(tolerance) / 1_000_000
        judge(within: limit, gapVolume: volume(9), isInProgress: row[7] == "t")
    }

    /// Returns a decimal of the database in 1e-8, cut there; `nil` if it is out of range.
    private static func volume(_ text: String) -> Int128? {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count <= 2, let whole = Int128(parts[0]) else { return nil }
        let decimals = parts.count == 2 ? String(parts[1].prefix(Quantity.decimals)) : ""
        let padded = decimals + String(repeating: "0", count: Quantity.decimals - decimals.count)
        let (scaled, isTooMuch) = whole.multipliedReportingOverflow(by: 100_000_000)
        guard !isTooMuch, let rest = Int128(padded) else { return nil }
        let sum = scaled.addingReportingOverflow(text.hasPrefix("-") ? -rest : rest)
        return sum.overflow || sum.partialValue.magnitude > volumeMax.magnitude
            ? nil : sum.partialValue
    }

    // MARK: the verdict

    private mutating func judge(within limit: Int128, gapVolume: Int128?, isInProgress: Bool) {
        func isClose(_ rest: Int128) -> Bool { rest.magnitude <= limit.magnitude }
        if isClose(difference) {
            verdict = .equal
            return
        }
        // What is missing in gaps comes first: without it the rest cannot be judged.
        var known: [Part] = []
        var rest = difference
        if let gapVolume, gapVolume > 0 {
            known.append(Part(name: "gaps", volume: -gapVolume))
            rest += gapVolume
        }
        if isClose(rest) || explains(rest, known, isClose) {
            if explanation.isEmpty { explanation = known }
            verdict = .explained
            return
        }
        if let lot = Self.lots.first(where: { isClose(counted - provided * $0) }) {
            explanation = [Part(name: "provider_in_lots_of", volume: lot * 100_000_000)]
            verdict = .lots
        } else if let lot = Self.lots.first(where: { isClose(counted * $0 - provided) }) {
            explanation = [Part(name: "ours_in_lots_of", volume: lot * 100_000_000)]
            verdict = .lots
        } else if isInProgress {
            verdict = .inProgress
        } else if missing != "0", gapVolume == nil, difference < 0 {
            verdict = .gap
        }
    }

    /// Finds the fewest kinds whose volume is the rest of the difference.
    private mutating func explains(
        _ rest: Int128, _ known: [Part], _ isClose: (Int128) -> Bool
    ) -> Bool {
        var best: [Part]?
        for choice in 1..<(1 << kinds.count) {
            let parts = kinds.indices.filter { choice & (1 << $0) != 0 }.map { index in
                // The provider counted what was cancelled, or did not count the rest.
                let isCancelled = kinds[index].name == "cancelled"
                return Part(
                    name: kinds[index].name,
                    volume: isCancelled ? -kinds[index].volume : kinds[index].volume)
            }
            guard isClose(rest - parts.reduce(0) { $0 + $1.volume }) else { continue }
            if parts.count < best?.count ?? Int.max { best = parts }
        }
        guard let best else { return false }
        explanation = known + best
        return true
    }
}
