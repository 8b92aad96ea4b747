package import EngineKit

/// What carries a load's requests to a service and brings the answers: a client of HTTP, or a
/// connection. One thread uses it.
package protocol HistoryClient: AnyObject {
    associatedtype Service: HistoryService

    /// Sends a request. Returns its outcome if there is one immediately.
    func ask(_ request: Service.Request) -> FetchOutcome<Service.Answer>?
    /// Hands over the outcomes that have come, by the numbers of their requests.
    func take(_ body: (UInt64, FetchOutcome<Service.Answer>) -> Void)
    /// Waits until an outcome or an order may have come, at most so long. A client with a
    /// connection works on it meanwhile.
    func wait(_ timeout: Duration)
}
