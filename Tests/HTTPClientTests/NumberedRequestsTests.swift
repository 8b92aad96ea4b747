import Foundation
import TestSupport
import Testing

@testable import HTTPClient

@Suite("Requests by their owner's numbers", .enabled(if: WebServer.obstacle == nil))
struct NumberedRequestsTests {
    private func outcomes(_ requests: NumberedRequests, _ count: Int) -> [UInt64: HTTPError?] {
        var found: [UInt64: HTTPError?] = [:]
        _ = eventually(within: 60) {
            requests.take { found[$0] = .some($1.error) }
            return found.count >= count
        }
        return found
    }

    @Test("a client whose thread broke is replaced, whether requests were under way or not")
    func replaced() throws {
        let server = try WebServer()
        let requests = try NumberedRequests(HTTPConfiguration()) {}
        let (echo, slow) = (
            HTTPRequest(try server.url("echo")),
            HTTPRequest(try server.url("wait", port: "raw_port"))
        )
        let error = HTTPError.broken(reason: "out of files")
        requests.client?.queue.fail(error)
        #expect(throws: error) { try requests.begin(echo, as: 1) }
        try requests.begin(echo, as: 2)
        #expect(outcomes(requests, 1) == [2: nil])

        for number in [3, 4] as [UInt64] { try requests.begin(slow, as: number) }
        requests.client?.queue.fail(error)
        #expect(throws: error) { try requests.begin(echo, as: 5) }
        #expect(outcomes(requests, 2) == [3: error, 4: error])
        try requests.begin(echo, as: 6)
        #expect(outcomes(requests, 1) == [6: nil])
    }
}
