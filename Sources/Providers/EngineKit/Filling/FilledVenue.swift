package import MarketModel
package import Primitives

/// A service that streams, whose past fills gaps of trades.
package protocol FilledVenue: StreamVenue {
    associatedtype Past: PagedHistory where Past.Request: PastRequest

    var fills: GapFills<Past> { get }

    /// Works on the gaps and on the machine.
    mutating func withFills<Result>(
        _ body: (inout GapFills<Past>, inout StreamMachine) -> Result
    ) -> Result
    /// Remembers a trade that did not come, and was fetched.
    mutating func fetched(_ trade: Trade, of feed: Int)
}

extension FilledVenue {
    package var nextDue: MonotonicTime { nextServed }

    /// When the links or the gaps have something to do.
    package var nextServed: MonotonicTime {
        machine.isStopped ? .never : min(machine.nextDue, fills.nextDue)
    }

    package var status: StreamShown {
        var status = machine.status
        status.fills = fills.count
        return status
    }

    package func limits(_ now: MonotonicTime) -> [ProviderLimit] {
        machine.limits(now) + (machine.settings.fills ? [fills.limit(now)] : [])
    }

    package mutating func timePassed(_ now: Moment, into out: inout StreamMachine.Output) {
        serveAndFill(now, into: &out)
    }

    /// Does what is due on the links and for the gaps.
    package mutating func serveAndFill(_ now: Moment, into out: inout StreamMachine.Output) {
        guard !machine.isStopped else { return }
        serve(now, into: &out)
        withFills { $0.timePassed(&$1, now, into: &out) }
    }

    package mutating func answered(
        _ number: UInt64, _ answer: StreamAnswer, _ now: Moment,
        into out: inout StreamMachine.Output
    ) {
        _ = fill(number, answer, now, into: &out)
    }

    /// Takes the answer to a request for a gap. Returns false if it is another's.
    package mutating func fill(
        _ number: UInt64, _ answer: StreamAnswer, _ now: Moment,
        into out: inout StreamMachine.Output
    ) -> Bool {
        guard !machine.isStopped else { return true }
        let added = withFills { $0.answered(number, answer, &$1, now, into: &out) }
        guard let added else { return false }
        for trade in added.trades { fetched(trade, of: added.feed) }
        return true
    }
}
