import Primitives
import TapeCodec

/// When a committed position counts as durable, so that the keeper may purge the tape before it
/// (WRITER_PURGE_AFTER).
enum DurabilityRule: Hashable, Sendable {
    /// With its COMMIT. Right for one server, and where each COMMIT waits for a standby.
    case commit
    /// With a COMMIT that a synchronous standby has flushed, as the server itself says.
    case standby
    /// So many nanoseconds after its COMMIT: longer than an asynchronous standby is ever behind.
    case margin(nanoseconds: Int64)

    /// The margins that can be configured.
    static let margins = Duration.seconds(1)...Duration.seconds(86_400)
}

/// How far the position of one input is durable.
///
/// A position may fall, when the database was restored or a standby was promoted that lacked the
/// last commits. Then what is durable falls with it.
struct DurableMark: Sendable {
    /// The positions of the margin that are remembered: a margin is kept to a sixteenth.
    static let samplesMax = 17

    private struct Sample {
        let at: MonotonicTime
        let sequence: UInt64
    }

    private let rule: DurabilityRule
    /// When the stream of the positions was made; another stream has other sequences.
    private var stream: Timestamp?
    /// The last position that counts; 0: none does.
    private var reached: UInt64 = 0
    /// Committed positions that do not count yet, the oldest first.
    private var samples: [Sample] = []

    init(_ rule: DurabilityRule) {
        self.rule = rule
    }

    /// Notes the committed position, as often as it is reported, and returns what of it is durable.
    /// `isOnStandby` says whether its COMMIT waited for a synchronous standby.
    mutating func durable(
        _ position: TapePosition?, isOnStandby: Bool, now: MonotonicTime
    ) -> UInt64 {
        if position?.streamCreated != stream {
            stream = position?.streamCreated
            reached = 0
            samples = []
        }
        let sequence = position?.sequence ?? 0
        reached = min(reached, sequence)
        switch rule {
        case .commit: reached = sequence
        case .standby: if isOnStandby { reached = sequence }
        case .margin(let nanoseconds): age(sequence, by: nanoseconds, now)
        }
        return reached
    }

    private mutating func age(_ sequence: UInt64, by nanoseconds: Int64, _ now: MonotonicTime) {
        samples.removeAll { $0.sequence > sequence }
        while let oldest = samples.first, now - oldest.at >= nanoseconds {
            reached = max(reached, oldest.sequence)
            samples.removeFirst()
        }
        let step = nanoseconds / Int64(Self.samplesMax - 1)
        guard sequence > (samples.last?.sequence ?? reached),
            samples.last.map({ now - $0.at >= step }) ?? true, samples.count < Self.samplesMax
        else { return }
        samples.append(Sample(at: now, sequence: sequence))
    }
}
