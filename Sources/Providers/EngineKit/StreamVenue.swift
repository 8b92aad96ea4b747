package import MarketModel
package import Primitives

/// An engine of a service that streams: it says what is the service's own, and `StreamMachine` does
/// the rest.
package protocol StreamVenue: StreamEngine
where
    Begun == BegunInstrument, Output == StreamMachine.Output, Answer == StreamAnswer,
    Status == StreamShown
{
    var machine: StreamMachine { get set }

    /// How an instrument is asked for.
    func plan(of instrument: Instrument) -> StreamPlan
    /// Returns what a feed is called in a log.
    func name(of feed: StreamFeed) -> String
    /// Returns the text of a request.
    func text(of request: StreamRequest) -> String
    /// The service has not answered a request, or not all of it.
    mutating func unanswered(
        on link: Int, _ now: Moment, into out: inout StreamMachine.Output)
}

extension StreamVenue {
    package var counters: StreamCounts { machine.counters }
    package var nextDue: MonotonicTime { machine.nextDue }
    package var status: StreamShown { machine.status }

    package func limits(_ now: MonotonicTime) -> [ProviderLimit] { machine.limits(now) }

    package mutating func follow(
        begun: [BegunInstrument], ended: [UInt32], gaps: [OpenGap] = [], _ now: Moment,
        into out: inout StreamMachine.Output
    ) {
        follow(StreamFeeds.Orders(begun: begun, ended: ended, gaps: gaps), now, into: &out)
    }

    /// Changes what is wanted.
    package mutating func follow(
        _ orders: StreamFeeds.Orders, _ now: Moment, into out: inout StreamMachine.Output
    ) {
        let plans = orders.begun.map { plan(of: $0.instrument) }
        machine.follow(orders, plans, now, into: &out)
    }

    package mutating func opened(
        _ number: UInt32, _ now: Moment, into out: inout StreamMachine.Output
    ) {
        machine.opened(number, now, into: &out)
    }

    package mutating func ended(
        _ number: UInt32, _ why: String, _ now: Moment, into out: inout StreamMachine.Output
    ) {
        machine.ended(number, why, now, into: &out)
    }

    package mutating func drained(_ now: Moment, into out: inout StreamMachine.Output) {
        machine.drained(now, into: &out)
    }

    package mutating func timePassed(_ now: Moment, into out: inout StreamMachine.Output) {
        serve(now, into: &out)
    }

    /// Does what is due on the links.
    package mutating func serve(_ now: Moment, into out: inout StreamMachine.Output) {
        guard !machine.isStopped else { return }
        for (link, due) in machine.serve(now, into: &out) {
            switch due {
            case .unanswered: unanswered(on: link, now, into: &out)
            case .ask(let request):
                let text = text(of: request)
                machine.send(request, text, on: link, now, into: &out)
            }
        }
        machine.show(into: &out)
    }

    package mutating func stop(_ now: Moment, into out: inout StreamMachine.Output) {
        machine.stop(now, into: &out)
    }

    package mutating func takeClockAhead() -> Int64? { machine.takeClockAhead() }

    /// The service refuses a feed. It is asked for again after a while, and on the next connection.
    package mutating func refuse(
        _ place: Int, _ why: String, lacksRoom: Bool = false, _ now: Moment,
        into out: inout StreamMachine.Output
    ) {
        let link = machine.feeds.list[place].channel.link
        refuse(LinkedFeed(place, on: link), why, lacksRoom: lacksRoom, now, into: &out)
    }

    package mutating func refuse(
        _ one: LinkedFeed, _ why: String, lacksRoom: Bool = false, _ now: Moment,
        into out: inout StreamMachine.Output
    ) {
        guard machine.refuse(one, why, lacksRoom: lacksRoom, now, into: &out) else { return }
        let feed = machine.feeds.list[one.place]
        out.note(.refused(instrument: feed.instrument, reason: "\(name(of: feed)): \(why)"))
    }
}
