internal import IBEngine
internal import ProviderKit

extension InstrumentStatus {
    /// The state of all its feeds in one word: the best one, with what is wrong with the others.
    var standing: InstrumentStanding {
        let troubles = feeds.filter { $0.standing != .subscribed && !$0.reason.isEmpty }
        return InstrumentStanding(
            instrument: instrument, state: state,
            reason: troubles.map { "\($0.feed.rawValue): \($0.reason)" }.joined(separator: "; "))
    }

    private var state: InstrumentStanding.State {
        let states = Set(feeds.map(\.standing))
        let order: [InstrumentStanding.State] = [.subscribed, .refused, .down]
        return order.first { states.contains($0) } ?? .waiting
    }
}

extension FeedStatus {
    fileprivate var standing: InstrumentStanding.State {
        switch state {
        case .waiting, .asked, .waitingForLines: .waiting
        case .live, .done: .subscribed
        case .interrupted, .down: .down
        case .refused: .refused
        }
    }
}
