internal import Primitives
internal import MarketModel

/// The farms of one kind that are down, as notices name them.
struct FarmWatch: Sendable {
    /// A farm that is down.
    struct Farm: Sendable {
        var name: String
        /// When the last notice of it came.
        var since: Moment
        /// The cause of the outages that the break of this farm explains.
        var cause: OutageCause
    }

    /// In the order of their last notices.
    private(set) var down: [Farm] = []

    /// A farm is down, as far as is known.
    var isAnyDown: Bool { !down.isEmpty }

    /// Returns whether a farm was reported as down less than `EngineLimits.historyDoubt` ago.
    func isAnyYoung(_ now: MonotonicTime) -> Bool {
        down.contains { now < $0.since.monotonic + EngineLimits.historyDoubt }
    }

    /// Notes a farm that is down. Beyond the maximum further ones are not listed: their data show
    /// when they are back.
    mutating func broke(_ name: String, _ cause: OutageCause, _ now: Moment) {
        back(name)
        guard down.count < EngineLimits.farmsMax else { return }
        down.append(Farm(name: name, since: now, cause: cause))
    }

    /// Removes a farm that is back.
    mutating func back(_ name: String) { down.removeAll { $0.name == name } }

    /// Forgets farms whose last notice is `EngineLimits.downWaitMax` old: not every return is
    /// reported, and not always by the same name. Returns true when one was forgotten.
    mutating func expire(_ now: MonotonicTime) -> Bool {
        let count = down.count
        down.removeAll { now >= $0.since.monotonic + EngineLimits.downWaitMax }
        return down.count < count
    }

    /// Removes all: data or an answer have shown that they work.
    mutating func clear() { down.removeAll() }

    /// Returns the farm's name in the text of a notice, of which there are two forms. Any other
    /// text is returned completely.
    ///
    /// `Market data farm connection is broken:usfarm`
    ///
    /// `Market data farm connection is inactive but should be available upon demand.usfarm.nj`
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
