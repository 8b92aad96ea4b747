import Membership
import NatsTransport
import Primitives
import TapeCodec
import TapeTraces

extension StoreWorker {
    /// Notes the packets of the batch, whose transaction took so long and was committed just now.
    func trace(_ outcome: BatchOutcome, seconds: Double, now: Timestamp) {
        guard let traces = parts.traces else { return }
        let begun = now.advanced(byNanoseconds: -Int64(seconds * 1e9))
        let step = TraceStep.store(parts.settings.store.text)
        // What operators say of ticks comes after them.
        for kind in [PacketKind.ticks, .bars] {
            for (item, count) in zip(batch.items, outcome.counts) where item.header.kind == kind {
                let refused = count.deadLettered
                item.message.withPayload {
                    traces.read(
                        item.header, $0,
                        PacketTraces.Reading(
                            step, from: begun, to: now, refused > 0 ? .refused(refused) : nil),
                        stored: item.tapeTime)
                }
            }
        }
    }
}
