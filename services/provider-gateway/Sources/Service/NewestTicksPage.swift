import MarketModel
import Primitives
import ProviderKit

/// The section "newest" of `/status`: how old the newest tick of each instrument is. All
/// instruments are counted, and those with the oldest are listed.
struct NewestTicksPage {
    /// The most instruments in the list: those of which no tick has come, then the oldest.
    static let instrumentsMax = 512
    /// The ages up to which instruments are counted together, in seconds.
    static let ages = [5, 60, 600, 3_600]

    private struct Entry {
        let number: UInt32
        /// `nil`: none came in this tenure.
        let nanoseconds: Int64?
    }

    private let registry: InstrumentRegistry
    private let entries: [Entry]

    /// `times` has the times by the instruments' numbers. Without `withoutTicks` instruments of
    /// which no tick has come are left out.
    init(
        times: [MonotonicTime], _ registry: InstrumentRegistry, now: MonotonicTime,
        withoutTicks: Bool
    ) {
        self.registry = registry
        entries = registry.wanted.compactMap { number in
            let time = Int(number) < times.count ? times[Int(number)] : .distantPast
            guard time != .distantPast else {
                return withoutTicks ? Entry(number: number, nanoseconds: nil) : nil
            }
            return Entry(number: number, nanoseconds: max(0, now - time))
        }
    }

    func write(into json: inout JSONWriter) {
        json.member("instruments", entries.count)
        json.member("never", entries.count { $0.nanoseconds == nil })
        json.array("ages") { json in
            for (index, age) in Self.ages.enumerated() {
                let above = index == 0 ? -1 : Self.ages[index - 1]
                json.object { json in
                    json.member("seconds", age)
                    json.member("instruments", count(above: above, upTo: age))
                }
            }
        }
        json.array("oldest") { writeOldest(into: &$0) }
    }

    /// Returns how many instruments have a tick that is older than `above` seconds and not older
    /// than `age`.
    private func count(above: Int, upTo age: Int) -> Int {
        let bounds = (Int64(above) * 1_000_000_000, Int64(age) * 1_000_000_000)
        return entries.count { entry in
            entry.nanoseconds.map { $0 > bounds.0 && $0 <= bounds.1 } ?? false
        }
    }

    private func writeOldest(into json: inout JSONWriter) {
        let sorted = entries.sorted {
            ($1.nanoseconds ?? .max, $0.number) < ($0.nanoseconds ?? .max, $1.number)
        }
        for entry in sorted.prefix(Self.instrumentsMax) {
            guard let instrument = registry.instrument(entry.number) else { continue }
            json.object { json in
                json.member("symbol", instrument.symbol.text)
                json.key("age_seconds")
                if let nanoseconds = entry.nanoseconds {
                    json.value(Double(nanoseconds / 1_000_000) / 1e3)
                } else {
                    json.null()
                }
            }
        }
    }
}
