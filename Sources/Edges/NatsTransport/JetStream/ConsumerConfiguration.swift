package import Primitives

/// A pull consumer for one tenure. It acknowledges nothing and is kept in memory on one server. The
/// server deletes it when it is not pulled from for `inactiveThreshold`.
package struct ConsumerConfiguration: Equatable, Sendable {
    package enum Deliver: Equatable, Sendable {
        case all
        /// Only messages that are stored from now on.
        case new
        case fromSequence(UInt64)
        /// Messages that were stored at this time or later. Only for one subject: of several,
        /// nats-server 2.12 begins with the first message of one that has none before, and leaves
        /// out what the others have in between (`JetStream.sequence(ofStream:at:)`).
        case fromTime(Timestamp)
        /// The last message of the stream that passes the filter, and all later ones.
        case last
    }

    package var name: String
    /// Empty: every message of the stream. Messages of several subjects are delivered in stream
    /// order.
    package var filterSubjects: [String]
    package var deliver: Deliver
    package var inactiveThreshold: Duration

    package init(
        name: String, filterSubjects: [String], deliver: Deliver,
        inactiveThreshold: Duration = .seconds(30)
    ) {
        self.name = name
        self.filterSubjects = filterSubjects
        self.deliver = deliver
        self.inactiveThreshold = inactiveThreshold
    }

    func write(into json: inout JSONWriter) {
        json.object { json in
            json.member("name", name)
            switch deliver {
            case .all: json.member("deliver_policy", "all")
            case .new: json.member("deliver_policy", "new")
            case .last: json.member("deliver_policy", "last")
            case .fromSequence(let sequence):
                json.member("deliver_policy", "by_start_sequence")
                json.member("opt_start_seq", max(1, sequence))
            case .fromTime(let time):
                json.member("deliver_policy", "by_start_time")
                json.member("opt_start_time", time.description)
            }
            json.member("ack_policy", "none")
            json.member("replay_policy", "instant")
            if !filterSubjects.isEmpty {
                json.member("filter_subjects", values: filterSubjects)
            }
            json.member("inactive_threshold", inactiveThreshold.clampedNanoseconds)
            json.member("num_replicas", 1)
            json.member("mem_storage", true)
        }
    }
}
