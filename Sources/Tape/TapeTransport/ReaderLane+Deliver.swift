internal import NatsTransport
internal import TapeProtocol

extension ReaderLane.Start {
    /// Where a consumer begins.
    var deliver: ConsumerConfiguration.Deliver {
        switch self {
        case .first: .all
        case .sequence(let sequence): .fromSequence(sequence)
        case .time(let time): .fromTime(time)
        case .end: .new
        }
    }
}
