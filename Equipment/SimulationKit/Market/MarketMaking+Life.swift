internal import MarketModel
internal import Primitives

// Sources of a simulated market that fall silent, are retired, and come back.
extension MarketMaking {
    /// The present time in the data of a source.
    func now(of index: Int) -> Int64 { now - sources[index].lag }

    /// Lets sources fall silent, and a person retire them.
    mutating func changeLives(using random: inout SeededRandom) {
        let index = Int.random(in: sources.indices, using: &random)
        if happens(weather.silences, &random) {
            life.silences += 1
            sources[index].quietUntil =
                now + Int64.random(in: 1...weather.silenceMax, using: &random)
        }
        guard happens(weather.retirements, &random) else { return }
        life.retirements += 1
        tape.store(sources[index].retire(sendTime: now))
        sources[index].quietUntil =
            Int.random(in: 0..<4, using: &random) == 0
            ? Int64.max : now + Int64.random(in: 1...weather.silenceMax, using: &random)
    }

    /// Returns whether the source sends its next packet now. A retired one begins a higher epoch,
    /// with a marker or without one, or its fenced gateway still sends packets of ticks. After a
    /// silence it may say that ticks of all its symbols are missing.
    mutating func wakes(_ index: Int, using random: inout SeededRandom) -> Bool {
        guard sources[index].quietUntil <= now else { return false }
        if sources[index].isRetired {
            guard Int.random(in: 0..<4, using: &random) > 0 else { return true }
            if Bool.random(using: &random) {
                tape.store(sources[index].resume(sendTime: now))
            } else {
                sources[index].beginEpoch()
            }
        }
        guard sources[index].quietUntil > Int64.min else { return true }
        sources[index].quietUntil = Int64.min
        sources[index].hasReturned = true
        life.returns += 1
        guard weather.gaps > 0, Bool.random(using: &random) else { return true }
        let lag = sources[index].lag
        let record = gap(
            from: sources[index].lastSent - lag, to: now - lag, state: .abandoned, kind: .any)
        if let symbol = sources[index].symbolNames.first {
            sources[index].append(.gapOfAll(record), symbol)
        }
        return true
    }

    /// Returns the time of the last data of a symbol.
    func lastTime(of symbol: Symbol) -> Int64 {
        guard weather.hasLife, let index = sources.firstIndex(where: { $0.feeds(symbol) }) else {
            return now
        }
        return sources[index].lastSent - sources[index].lag
    }

    /// Counts a request of a repair.
    mutating func noteRepair(of symbol: Symbol) {
        guard let source = sources.first(where: { $0.feeds(symbol) }) else { return }
        if source.isRetired {
            life.repairsOfRetired += 1
        } else if source.quietUntil > now {
            life.repairsOfSilent += 1
        } else if source.hasReturned {
            life.repairsOfReturned += 1
        }
    }
}
