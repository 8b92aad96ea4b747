import MarketModel
import Primitives
import ProviderKit
import ServiceRuntime
import Synchronization
import Testing

@Suite("The channel of a provider")
struct ProviderChannelTests {
    private func trade(_ number: UInt64) -> ProviderRecord {
        .tape(
            .trade(
                Trade(
                    header: TickHeader(
                        symbol: 0, providerTime: Timestamp(nanoseconds: Int64(number)),
                        receiveTime: Timestamp(nanoseconds: Int64(number)), providerID: number),
                    price: Price(raw: 1), size: Quantity(raw: 1))))
    }

    private final class Wakes: Sendable {
        let count = Mutex(0)
    }

    private func numbers(_ records: [ProviderRecord]) -> [UInt64] {
        records.compactMap { $0.header?.providerID }
    }

    @Test("batches come out in order, as one, with the latest floor")
    func order() {
        let channel = ProviderChannel(recordsMax: 10)
        var records: [ProviderRecord] = []
        #expect(!channel.receive(into: &records).isDefined && records.isEmpty)
        #expect(!channel.isStirred)
        for first in stride(from: UInt64(1), to: 9, by: 2) {
            var batch = [trade(first), trade(first + 1)]
            let outcome = channel.send(&batch, floor: Timestamp(nanoseconds: Int64(first)))
            guard case .sent = outcome else {
                Issue.record("\(outcome)")
                return
            }
            #expect(batch.isEmpty)
        }
        #expect(channel.count == 8 && channel.isStirred)
        #expect(channel.receive(into: &records) == Timestamp(nanoseconds: 7))
        #expect(numbers(records) == Array(1...8))
        #expect(channel.count == 0 && !channel.isStirred)
    }

    @Test("the number of waiting records is never negative, however soon they are received")
    func counted() throws {
        let channel = ProviderChannel(recordsMax: 1_000)
        let (rounds, one) = (300_000, trade(1))
        let sender = try ServiceThread(name: "sender") {
            for _ in 0..<rounds {
                var batch = [one]
                while case .full = channel.send(&batch, floor: .undefined) {}
            }
        }
        var (received, least) = (0, 0)
        var records: [ProviderRecord] = []
        while received < rounds {
            records.removeAll(keepingCapacity: true)
            _ = channel.receive(into: &records)
            least = min(least, channel.count)
            received += records.count
        }
        sender.join()
        #expect(least == 0 && channel.count == 0)
    }

    @Test("a full channel leaves the batch as it is, and takes it when there is room")
    func full() {
        let channel = ProviderChannel(recordsMax: 2)
        var batch = [trade(1), trade(2), trade(3)]
        guard case .sent = channel.send(&batch, floor: .undefined) else {
            Issue.record("an empty channel takes any batch")
            return
        }
        batch = [trade(4)]
        guard case .full = channel.send(&batch, floor: Timestamp(nanoseconds: 9)) else {
            Issue.record("the channel is full")
            return
        }
        #expect(numbers(batch) == [4])
        var records: [ProviderRecord] = []
        // The floor of a refused batch does not apply.
        #expect(!channel.receive(into: &records).isDefined)
        guard case .sent = channel.send(&batch, floor: .undefined) else {
            Issue.record("there is room again")
            return
        }
        #expect(channel.count == 1)
    }

    @Test("a floor without records stirs the receiver, and never goes back")
    func floors() {
        let channel = ProviderChannel()
        var nothing: [ProviderRecord] = []
        for floor: Int64 in [5, 9, 7] {
            _ = channel.send(&nothing, floor: Timestamp(nanoseconds: floor))
        }
        #expect(channel.isStirred && channel.count == 0)
        #expect(channel.receive(into: &nothing) == Timestamp(nanoseconds: 9))
    }

    @Test("the receiver is woken by the first records, by no floor, and by the end")
    func wakes() {
        let channel = ProviderChannel(recordsMax: 2)
        let wakes = Wakes()
        channel.onRecords { wakes.count.withLock { $0 += 1 } }
        var nothing: [ProviderRecord] = []
        _ = channel.send(&nothing, floor: Timestamp(nanoseconds: 5))
        #expect(wakes.count.withLock({ $0 }) == 0)
        for number: UInt64 in 1...3 {
            var batch = [trade(number)]
            _ = channel.send(&batch, floor: .undefined)
            // Later records come with the first ones, and a full channel takes none.
            #expect(wakes.count.withLock({ $0 }) == 1)
        }
        var records: [ProviderRecord] = []
        _ = channel.receive(into: &records)
        var batch = [trade(4)]
        _ = channel.send(&batch, floor: .undefined)
        #expect(wakes.count.withLock({ $0 }) == 2)
        channel.finish()
        #expect(wakes.count.withLock({ $0 }) == 3)
    }

    @Test("a closed channel takes nothing; what is in it is still handed out")
    func closed() {
        let channel = ProviderChannel()
        var batch = [trade(1)]
        _ = channel.send(&batch, floor: .undefined)
        channel.close()
        batch = [trade(2)]
        guard case .closed = channel.send(&batch, floor: .undefined) else {
            Issue.record("it is closed")
            return
        }
        #expect(numbers(batch) == [2])
        var records: [ProviderRecord] = []
        _ = channel.receive(into: &records)
        #expect(numbers(records) == [1])
    }

    @Test("it is finished when the provider said so and all was received")
    func finished() {
        let channel = ProviderChannel()
        var batch = [trade(1)]
        _ = channel.send(&batch, floor: .undefined)
        channel.finish()
        #expect(!channel.isFinished)
        var records: [ProviderRecord] = []
        _ = channel.receive(into: &records)
        #expect(channel.isFinished)
    }

    @Test("a provider's times are the host's until the gateway says which they are")
    func moments() {
        let channel = ProviderChannel()
        let hour: Int64 = 3_600_000_000_000
        // The host's clock shows a year after 2015. The monotonic clock counts from its start.
        #expect(channel.moment().wall.nanoseconds > 400_000 * hour)
        channel.follow(clockOffset: hour)
        let moment = channel.moment()
        #expect(moment.wall.nanoseconds == moment.monotonic.nanoseconds + hour)
        // A provider's report about its clock is taken once.
        #expect(channel.takeClockAhead() == nil)
        channel.report(clockAhead: 5)
        channel.report(clockAhead: Int64.min)
        #expect(channel.takeClockAhead() == Int64.min + 1)
        #expect(channel.takeClockAhead() == nil)
    }
}
