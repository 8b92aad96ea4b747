import MarketModel
import NatsTransport
import Primitives
import ServiceRuntime
import Synchronization
import TapeCodec
import TapeProtocol
import TapeTransport

/// Receives every message on the server, and records when the markers of operators' epochs are
/// acknowledged.
final class MarkerWatch: Sendable {
    struct Marker: Hashable {
        let partition: Int
        let epoch: UInt64
        /// The monotonic time of the server's answer to the publisher.
        let acknowledged: Int64
    }

    /// The hand-over of one partition.
    struct Handover {
        /// The monotonic time at which its owner writes that the partition is free.
        let freed: Int64
        /// The monotonic time at which the next owner writes that it owns the partition.
        let claimed: Int64
        /// The monotonic time at which the next owner asks the tape for ticks.
        let pulled: Int64
    }

    private struct Seen {
        var freed: [Int: Int64] = [:]
        var claimed: [Int: Int64] = [:]
        /// The first request after the partition was freed.
        var pulled: [Int: Int64] = [:]
        /// The markers that wait for an answer, by the subject of the answer.
        var published: [String: (partition: Int, epoch: UInt64)] = [:]
        var markers: [Marker] = []
    }

    private final class Notes: Sendable {
        let seen = Mutex(Seen())
    }

    private static let pendingMax = 500_000

    private let notes = Notes()
    private let subscription: NatsSubscription

    init(_ client: TapeClient) throws {
        let notes = notes
        let bars = "\(client.names.namespace).bars."
        // One subscription, so that a marker is always seen before its answer.
        subscription = try client.connection.subscribe(">", pendingMessagesMax: Self.pendingMax) {
            Self.note($0, bars, notes)
        }
    }

    private static func note(_ message: NatsMessage, _ bars: String, _ notes: Notes) {
        let subject = message.subject
        if subject.hasPrefix("$") {
            noteHandover(message, subject, notes)
        } else if subject.hasPrefix("_INBOX.") {
            guard let marker = notes.seen.withLock({ $0.published.removeValue(forKey: subject) }),
                case .stored = JetStream.publishOutcome(of: message)
            else { return }
            let now = SystemClock().monotonic().nanoseconds
            notes.seen.withLock {
                $0.markers.append(
                    Marker(
                        partition: marker.partition, epoch: marker.epoch, acknowledged: now))
            }
        } else if subject.hasPrefix(bars), let reply = message.replyTo {
            guard let header = header(of: message), header.flags.contains(.epochMarker) else {
                return
            }
            notes.seen.withLock {
                $0.published[reply] = (header.partition.number, header.epoch)
            }
        }
    }

    private static func noteHandover(
        _ message: NatsMessage, _ subject: String, _ notes: Notes
    ) {
        let now = SystemClock().monotonic().nanoseconds
        let last = subject.split(separator: ".").last ?? ""
        if subject.contains("_owners.operator."), let partition = Int(last) {
            let isFree = String(decoding: message.payload, as: UTF8.self).contains(
                #""state":"free""#)
            notes.seen.withLock {
                if isFree {
                    $0.freed[partition] = now
                    $0.claimed[partition] = nil
                    $0.pulled[partition] = nil
                } else if $0.claimed[partition] == nil {
                    $0.claimed[partition] = now
                }
            }
        } else if subject.hasPrefix("$JS.API.CONSUMER.MSG.NEXT."), last.hasPrefix("operator-") {
            // A consumer's name ends with the number of its reader, which is the partition's, and a
            // tenure.
            let parts = last.split(separator: "-")
            guard parts.count > 2, let partition = Int(parts[parts.count - 2]) else { return }
            notes.seen.withLock { seen in
                guard seen.freed[partition] != nil, seen.pulled[partition] == nil else { return }
                seen.pulled[partition] = now
            }
        }
    }

    func forgetHandovers() {
        notes.seen.withLock {
            $0.freed = [:]
            $0.claimed = [:]
            $0.pulled = [:]
        }
    }

    /// Returns the hand-overs of those partitions that have a new owner.
    func handovers(of partitions: Set<Int>) -> [Int: Handover] {
        notes.seen.withLock { seen in
            var found: [Int: Handover] = [:]
            for partition in partitions {
                guard let freed = seen.freed[partition], let claimed = seen.claimed[partition],
                    let pulled = seen.pulled[partition]
                else { continue }
                found[partition] = Handover(freed: freed, claimed: claimed, pulled: pulled)
            }
            return found
        }
    }

    private static func header(of message: NatsMessage) -> PacketHeader? {
        do throws(PacketError) {
            return try message.withPayload { bytes throws(PacketError) in
                try PacketReader.validate(bytes)
            }
        } catch {
            return nil
        }
    }

    /// Returns, per partition, the first marker that was acknowledged after this time.
    func first(of partitions: Set<Int>, after time: Int64) -> [Int: Marker] {
        notes.seen.withLock { seen in
            var first: [Int: Marker] = [:]
            for marker in seen.markers
            where marker.acknowledged > time && partitions.contains(marker.partition)
                && first[marker.partition] == nil
            {
                first[marker.partition] = marker
            }
            return first
        }
    }
}
