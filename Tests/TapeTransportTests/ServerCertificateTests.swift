import Primitives
import Testing

@testable import TapeTransport

@Suite("The end of a server's certificate") struct ServerCertificateTests {
    @Test("it is that of the connected server, and stays while there is no link")
    func stays() throws {
        func answer(_ text: String) throws -> JSONValue { try JSONValue.parse(Array(text.utf8)) }
        let own = try answer(
            #"{"server_id": "A", "tls_cert_not_after": "1970-01-02T00:00:00Z"}"#)
        let other = try answer(
            #"{"server_id": "B", "tls_cert_not_after": "1970-01-03T00:00:00Z"}"#)
        var certificate = ServerCertificate()
        certificate.take(other, connectedTo: "A")
        #expect(certificate.end == nil)
        certificate.take(own, connectedTo: "A")
        #expect(certificate.end == 86_400)
        certificate.take(own, connectedTo: "")
        certificate.take(try answer(#"{"server_id": ""}"#), connectedTo: "")
        certificate.take(other, connectedTo: "A")
        #expect(certificate.end == 86_400)
        // It was replaced, or the link is to another server.
        certificate.take(other, connectedTo: "B")
        #expect(certificate.end == 172_800)
        certificate.take(try answer(#"{"server_id": "B"}"#), connectedTo: "B")
        #expect(certificate.end == nil)
    }
}
