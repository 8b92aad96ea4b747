import MarketModel
import Primitives
import ProviderKit
import ServiceRuntime
import Synchronization

/// Polls a JSON file with the last trade of each symbol, and delivers those that are new:
/// `{"AAPL": {"id": 7, "price": "187.31", "size": "100"}, "MSFT": …}`
final class JSONFileProvider: ProviderSource {
    static let key = ConfigurationKey("JSON_FILE", .text, required: true, "Path of the trades.")
    static let kind = ProviderKind(name: "json-file", keys: [key]) { JSONFileProvider($0) }
    let name = "json-file"
    let isUrgent = true
    private let context: ProviderKind.Context
    private let end = ShutdownSignal()
    private let thread = Mutex<ServiceThread?>(nil)
    private let problem = Mutex("")
    private init(_ context: ProviderKind.Context) { self.context = context }

    func start(_ order: ProviderOrder, into channel: ProviderChannel) throws {
        let started = try ServiceThread(name: name) { self.run(order, channel) }
        thread.withLock { $0 = started }
    }
    func follow(begun: [UInt32], ended: [UInt32]) {}  // Each turn reads the registry.
    func stop(within timeout: Duration) -> Bool {
        end.request()
        return thread.withLock { $0 }?.join(timeout: timeout) ?? true
    }
    func write(into json: inout JSONWriter) { json.member("problem", problem.withLock { $0 }) }

    private func run(_ order: ProviderOrder, _ channel: ProviderChannel) {
        let path = context.configuration.text(Self.key.name)
        let beat = context.threads.thread(name)
        defer { beat.retire() }
        var ids: [UInt32: UInt64] = [:]
        var records: [ProviderRecord] = []
        repeat {
            beat.beat()
            let now = channel.moment().wall
            do {
                let file = try JSONValue.parse(ConfigurationFiles.read(path, 1 << 20).get().bytes)
                // Records that the channel did not accept are sent first.
                for number in order.registry.wanted where records.count < order.registry.count {
                    guard let symbol = order.registry.instrument(number)?.symbol.text,
                        let last = file[symbol], let id = last["id"]?.uint64, id != ids[number]
                    else { continue }
                    let price = try Price(last["price"]?.string ?? "")
                    let size = try Quantity(last["size"]?.string ?? "")
                    var header = TickHeader(
                        symbol: number, providerTime: .undefined, receiveTime: now, providerID: id)
                    if ids.updateValue(id, forKey: number) == nil {
                        records += order.beginning(of: header, provider: name)
                        header.flags = .snapshot  // The trade happened before the start.
                    }
                    records.append(.trade(Trade(header: header, price: price, size: size)))
                }
                problem.withLock { $0 = "" }
            } catch { problem.withLock { $0 = "\(error)" } }
            _ = channel.send(&records, floor: now)
        } while !end.wait(timeout: .milliseconds(100))
    }
}
