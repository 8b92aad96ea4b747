package import MarketModel
package import Primitives

/// How the tenure of an `IntentMachine` ended.
package enum IntentOutcome: Hashable, Sendable, CustomStringConvertible {
    /// It was drained: everything that was declared is stored.
    case released
    /// The partition was taken away.
    case lost
    /// The record has an epoch that is not below this one, of another owner.
    case fenced(ours: UInt64, theirs: UInt64)
    /// The record changed, and no owner with a higher epoch did it: it was deleted, or restored
    /// from a backup. A new tenure finds out whether the store has more than the record says.
    case recordChanged
    /// The record cannot be read.
    case recordRefused(VersionedJSON.Refusal)
    /// The store has later ordinals than the record: the record was lost, or restored from a
    /// backup. No batch can be made that is sure to be the one that is stored.
    case storeAhead(source: SourceName, stored: UInt64, known: UInt64)
    /// The tape, or this program, makes another batch than the one that was declared.
    case batchDiffers(declared: StoreIntent, made: StoreIntent)
    /// The declared batch cannot be made: its packets are not on the tape, or this program does not
    /// know its layout.
    case unmakeable(String)
    /// The store has a part of the batch with other rows than the batch has.
    case storeDiffers(String)
    /// The position would have more sources than a record may have.
    case tooManySources(Int)

    package var description: String {
        switch self {
        case .released: "released"
        case .lost: "taken away"
        case .fenced(let ours, let theirs): "epoch \(theirs) owns the record, ours is \(ours)"
        case .recordChanged: "the record was deleted or restored from a backup"
        case .recordRefused(let refusal): "the record cannot be used: \(refusal)"
        case .storeAhead(let source, let stored, let known):
            "the store has \(source) up to \(stored), the record up to \(known): the record was "
                + "lost or restored from a backup"
        case .batchDiffers(let declared, let made):
            "the declared batch has \(declared.rows) rows (\(declared.digest)), the tape gives "
                + "\(made.rows) (\(made.digest)): the tape or the layout is another one"
        case .unmakeable(let reason): "the declared batch cannot be made again: \(reason)"
        case .storeDiffers(let reason): "the store has other rows than the batch: \(reason)"
        case .tooManySources(let count):
            "\(count) sources, a record has at most \(IntentRecord.sourcesMax)"
        }
    }
}
