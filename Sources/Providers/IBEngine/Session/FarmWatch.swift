internal import Primitives
internal import MarketModel

/// Parts of the vendor's service of one kind that are down, as notices name them.
struct FarmWatch: Sendable {
    struct Farm: Sendable {
        var name: String
        var since: Moment
        var cause: OutageCause
    }

    private(set) var down: [Farm] = []

    var isAnyDown: Bool { !down.isEmpty }

    /// It was said of one not long ago.
    func isAnyYoung(_ now: Int64) -> Bool {
        down.contains { now < $0.since.monotonic.later(by: EngineLimits.historyDoubt) }
    }

    /// Of too many the further ones are not told apart: their data say when they are back.
    mutating func broke(_ name: String, _ cause: OutageCause, _ now: Moment) {
        back(name)
        guard down.count < EngineLimits.farmsMax else { return }
        down.append(Farm(name: name, since: now, cause: cause))
    }

    mutating func back(_ name: String) { down.removeAll { $0.name == name } }

    /// Not every part that is back is told of, and not by the same name. True: one was forgotten.
    mutating func expire(_ now: Int64) -> Bool {
        let count = down.count
        down.removeAll { now >= $0.since.monotonic.later(by: EngineLimits.downWaitMax) }
        return down.count < count
    }

    mutating func clear() { down.removeAll() }

    /// `Market data farm connection is broken:usfarm`, and
    /// `Market data farm connection is inactive but should be available upon demand.usfarm.nj`.
    static func name(in text: String) -> String {
        if let colon = text.lastIndex(of: ":") {
            return String(text[text.index(after: colon)...].drop { $0 == " " })
        }
        let words = Array("upon demand.".utf8)
        let bytes = Array(text.utf8)
        for start in stride(from: bytes.count - words.count, through: 0, by: -1)
        where bytes[start...].starts(with: words) {
            return String(decoding: bytes[(start + words.count)...], as: UTF8.self)
        }
        return text
    }
}
