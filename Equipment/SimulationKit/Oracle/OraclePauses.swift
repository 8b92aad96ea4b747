internal import MarketModel
internal import Primitives
internal import StreamCore

/// Runs of ticks that end with a pause: all ticks that were not late, sorted, and cut where none
/// came for long enough.
struct OraclePauses {
    let gap: Int64
    let lateness: Int64
    private(set) var taken: [SourceSymbol: [OracleEntry]] = [:]

    /// Takes a tick; returns false when it is late. A tick without an effect makes no run, and is
    /// ignored.
    mutating func take(_ entry: OracleEntry, _ clock: OracleClock) -> Bool {
        guard entry.hasEffect else { return true }
        let symbol = entry.tick.symbol
        let time = entry.tick.time
        let runs = runs(of: symbol)
        let reached = clock.reached(symbol)
        let gone = runs.last { end(of: $0) + lateness <= reached }
        if let gone, time < end(of: gone) { return false }
        // A tick joins a run that may still change, even if it would be late on its own.
        let joins = runs.contains {
            end(of: $0) + lateness > reached && time < end(of: $0) && start(of: $0) - gap < time
        }
        guard joins || time + gap + lateness > reached else { return false }
        taken[symbol, default: []].append(entry)
        return true
    }

    private func start(of run: [OracleEntry]) -> Int64 { run.first?.tick.time ?? 0 }
    private func end(of run: [OracleEntry]) -> Int64 { (run.last?.tick.time ?? 0) + gap }

    private func runs(of symbol: SourceSymbol) -> [[OracleEntry]] {
        var runs: [[OracleEntry]] = []
        for entry in (taken[symbol] ?? []).sorted(by: { LoggedTick.isBefore($0.tick, $1.tick) }) {
            if let last = runs.last, entry.tick.time < end(of: last) {
                runs[runs.count - 1].append(entry)
            } else {
                runs.append([entry])
            }
        }
        return runs
    }

    /// Returns the last version of each bar, without counts of exclusions.
    func bars(_ clock: OracleClock) -> [(symbol: SourceSymbol, bar: Bar)] {
        taken.keys.flatMap { symbol in
            runs(of: symbol).compactMap { run in
                guard var bar = OracleFold.bar(of: run, from: start(of: run), to: end(of: run))
                else { return nil }
                if clock.isCut(start(of: run) - gap, symbol) { bar.flags.insert(.partial) }
                return (symbol, bar)
            }
        }
    }
}
