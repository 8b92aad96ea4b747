import MarketModel
import NatsTransport
import Primitives
import ServiceRuntime
import Synchronization
import TapeCodec
import TapeProtocol
import TapeTransport

/// Sees every message on the server, and when the markers of operators' epochs are acknowledged.
final class MarkerWatch: Sendable {
    struct Marker: Hashable {
        let partition: Int
        let epoch: UInt64
        /// Monotonic: the server's answer to whoever published it.
        let acknowledged: Int64
    }

    /// Of one partition.
    struct Handover {
        /// Monotonic: its owner writes that nobody has it.
        let freed: Int64
        /// Monotonic: the next one writes that it has it.
        let claimed: Int64
        /// Monotonic: the next one asks the tape for ticks.
        let pulled: Int64
    }

    private struct Seen {
        var freed: [Int: Int64] = [:]
        var claimed: [Int: Int64] = [:]
        /// The first after it was freed.
        var pulled: [Int: Int64] = [:]
        /// By the subject on which the answer comes.
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
            // A consumer's name ends with the number of its reader, the partition's, and a tenure.
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

    /// Of those of the partitions that have found a new owner.
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

    /// Per partition: the first marker that was acknowledged after this time.
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
