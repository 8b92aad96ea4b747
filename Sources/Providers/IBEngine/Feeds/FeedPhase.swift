internal import Primitives
internal import MarketModel

/// The phase of a feed and of its one request. The README of this module shows all ways from one
/// phase to the next, and a test compares them with `handle`.
enum FeedPhase: Hashable, Sendable {
    /// Nothing is requested.
    case idle(Idle)
    /// It was requested, and nothing has come yet.
    case asked(Asked)
    /// The subscription delivers, as far as is known.
    case live(Live)
    /// It was live, and an outage lasts. The same subscription may deliver again.
    case interrupted(Live, Interruption)
    /// The document came on this day, counted from 1970.
    case done(day: Int64)

    /// Why nothing is requested.
    enum Pause: Hashable, Sendable, CaseIterable {
        /// It waits for its turn, or for a time.
        case waiting
        /// The account has no free line: the server refused one.
        case waitingForLines
        /// The last request failed. It is repeated soon.
        case down
        /// The provider does not give these data. It is asked again in an hour.
        case refused
    }

    struct Idle: Hashable, Sendable {
        var pause = Pause.waiting
        /// When it is requested, monotonic; `distantPast`: as soon as it can be.
        var until = MonotonicTime.distantPast
        /// The cause of the outage that lasts; `nil`: there is none.
        var cause: OutageCause?
        /// It failed because the provider knew no such contract. It is requested again as soon as
        /// the provider knows its contracts again.
        var hasNoContract = false
    }

    struct Asked: Hashable, Sendable {
        let request: Int32
        /// When the request was queued; once it has left, when it left. Monotonic.
        var since: MonotonicTime
        /// Whether the request has left. Until then it can be withdrawn.
        var isSent = false
        /// Only a tick proves that it delivers: a notice said that the subscription is missing.
        /// False: it is also treated as live when nothing refuses it for a while.
        var needsTick = false
        /// When the request is given up, monotonic; `never`: it is not given up.
        var until: MonotonicTime
        /// The cause of the outage that lasts; `nil`: there is none.
        var cause: OutageCause?
    }

    struct Live: Hashable, Sendable {
        let request: Int32
        /// The wall time at which the subscription began to deliver. An outage in between does not
        /// change it.
        let since: Timestamp
        /// A notice says that its data may be missing, and nothing has yet shown whether they are.
        var isSuspected = false
    }

    struct Interruption: Hashable, Sendable {
        var cause: OutageCause
        /// When the outage began, monotonic. The feed is requested again at `until`, monotonic.
        let since: MonotonicTime
        var until: MonotonicTime
    }
}

/// An event in the life of a feed. Times are monotonic.
enum FeedEvent: Hashable, Sendable {
    /// A request was queued. It is given up at `until`.
    case asked(request: Int32, until: MonotonicTime)
    /// The request has left.
    case sent
    /// A notice says that the feed may not deliver (`needsTick`), or that only a part is missing.
    case remarked(needsTick: Bool)
    /// Data come, or the subscription is treated as live.
    case delivers(isSuspected: Bool)
    /// True: a notice says that data of the feed may be missing. False: none are, as far as is
    /// known now.
    case suspected(Bool)
    /// Data are missing from here on. The feed is requested again at `until`.
    case broke(OutageCause, since: MonotonicTime, until: MonotonicTime)
    /// The outage, if there is one, now has another cause.
    case blamed(OutageCause)
    /// The feed stays in its phase until this time at most.
    case postponed(until: MonotonicTime)
    /// The request has ended, and the next one comes at `until`. `cause`: the new cause of the
    /// outage; `nil`: it keeps the one that it has, if it has one.
    case ended(FeedPhase.Pause, until: MonotonicTime, cause: OutageCause? = nil)
    /// The request ended because the provider knew no such contract.
    case unlisted
    /// The document has come, on this UTC day, counted from 1970.
    case finished(day: Int64)
}

extension FeedPhase {
    /// Applies an event. Returns false when it means nothing in this phase and changes nothing.
    @discardableResult
    mutating func handle(_ event: FeedEvent, _ now: Moment) -> Bool {
        switch event {
        case .asked(let request, let until): return ask(request, until, now)
        case .sent:
            return change(asked: { ($0.isSent, $0.since) = (true, now.monotonic) })
        case .remarked(let needsTick): return change(asked: { $0.needsTick = needsTick })
        case .delivers(let isSuspected): return begin(isSuspected, now)
        case .suspected(let isSuspected):
            guard case .live(var live) = self else { return false }
            live.isSuspected = isSuspected
            self = .live(live)
        case .broke(let cause, let since, let until):
            guard var live else { return false }
            live.isSuspected = false
            self = .interrupted(live, Interruption(cause: cause, since: since, until: until))
        case .blamed(let cause):
            guard self.cause != nil else { return false }
            return change(
                idle: { $0.cause = cause }, asked: { $0.cause = cause },
                interrupted: { $0.cause = cause })
        case .postponed(let until):
            return change(
                idle: { $0.until = until }, asked: { $0.until = until },
                interrupted: { $0.until = until })
        case .ended(let pause, let until, let cause):
            // `hasNoContract` lasts until the feed is requested again.
            self = .idle(
                Idle(
                    pause: pause, until: until, cause: cause ?? self.cause,
                    hasNoContract: hasNoContract))
        case .unlisted:
            guard case .idle(var idle) = self else { return false }
            idle.hasNoContract = true
            self = .idle(idle)
        case .finished(let day):
            guard request != nil else { return false }
            self = .done(day: day)
        }
        return true
    }

    private mutating func ask(_ request: Int32, _ until: MonotonicTime, _ now: Moment) -> Bool {
        guard self.request == nil else { return false }
        self = .asked(Asked(request: request, since: now.monotonic, until: until, cause: cause))
        return true
    }

    private mutating func begin(_ isSuspected: Bool, _ now: Moment) -> Bool {
        switch self {
        case .asked(let asked):
            self = .live(Live(request: asked.request, since: now.wall, isSuspected: isSuspected))
        case .interrupted(var live, _):
            live.isSuspected = isSuspected
            self = .live(live)
        case .idle, .live, .done: return false
        }
        return true
    }

    /// Changes the value of the present phase. Returns false when there is no change for it.
    private mutating func change(
        idle: ((inout Idle) -> Void)? = nil, asked: (inout Asked) -> Void,
        interrupted: ((inout Interruption) -> Void)? = nil
    ) -> Bool {
        switch self {
        case .idle(var state):
            guard let idle else { return false }
            idle(&state)
            self = .idle(state)
        case .asked(var state):
            asked(&state)
            self = .asked(state)
        case .interrupted(let live, var state):
            guard let interrupted else { return false }
            interrupted(&state)
            self = .interrupted(live, state)
        case .live, .done: return false
        }
        return true
    }
}

extension FeedPhase {
    /// The number of the request whose answers belong to the feed; `nil`: there is none.
    var request: Int32? {
        switch self {
        case .asked(let asked): asked.request
        case .live(let live), .interrupted(let live, _): live.request
        case .idle, .done: nil
        }
    }

    /// The subscription, once it has delivered; otherwise `nil`.
    var live: Live? {
        switch self {
        case .live(let live), .interrupted(let live, _): live
        case .idle, .asked, .done: nil
        }
    }

    /// The cause of the outage; `nil`: there is none.
    var cause: OutageCause? {
        switch self {
        case .idle(let idle): idle.cause
        case .asked(let asked): asked.cause
        case .interrupted(_, let outage): outage.cause
        case .live, .done: nil
        }
    }

    /// When `scan` changes the phase, if nothing else does, monotonic; `never`: at no time.
    var until: MonotonicTime {
        switch self {
        case .idle(let idle): idle.until
        case .asked(let asked): asked.until
        case .interrupted(_, let outage): outage.until
        case .live, .done: .never
        }
    }

    /// The phase has no meaning on another connection, so the feed is requested again there. A
    /// refusal and a document are still valid.
    var isOfConnection: Bool {
        switch self {
        case .asked, .live, .interrupted: true
        case .idle(let idle): idle.pause == .down || idle.pause == .waitingForLines
        case .done: false
        }
    }

    /// The last request failed because the provider knew no such contract.
    var hasNoContract: Bool { if case .idle(let idle) = self { idle.hasNoContract } else { false } }

    /// The state as it is reported.
    var state: FeedStatus.State {
        switch self {
        case .idle(let idle):
            switch idle.pause {
            case .waiting: .waiting
            case .waitingForLines: .waitingForLines
            case .down: .down
            case .refused: .refused
            }
        case .asked: .asked
        case .live: .live
        case .interrupted: .interrupted
        case .done: .done
        }
    }
}
