internal import COpenSSL

/// By what the certificate of an operations port is checked.
package enum ProbeTrust: Equatable, Sendable {
    /// The port speaks no TLS.
    case plain
    /// It has to be signed by one of the certificates (PEM) at this path. Its names do not count:
    /// ports are found by addresses.
    case authorities(String)
    /// The port is that of the same settings, on this machine: its certificate is not checked.
    case own

    /// By the settings of a program that asks operations ports.
    package init(_ configuration: Configuration) {
        let path = configuration.optionalText("OPS_TLS_CA") ?? ""
        self = path.isEmpty ? .plain : .authorities(path)
    }
}

/// The TLS session of a probe, which turns plain bytes into those of a socket and back. It sends
/// and receives nothing by itself.
// Safety: the pointers are private, one thread uses them, and they are freed in deinit.
@safe
final class ProbeTLS {
    /// Why there is no session.
    struct Problem: Error {
        let text: String
    }

    /// What a read came to.
    enum Reading {
        case bytes(Int)
        case wantsMore
        case over
    }

    private let context: OpaquePointer
    private let session: OpaquePointer
    /// What the peer has sent, and what it is to get. The session owns both.
    private let (incoming, outgoing): (OpaquePointer, OpaquePointer)

    /// Begins a session. The first bytes for the peer come from `handshake`.
    init(_ trust: ProbeTrust) throws(Problem) {
        guard let context = unsafe SSL_CTX_new(TLS_client_method()) else { throw Self.last("TLS") }
        switch trust {
        case .plain, .own: unsafe SSL_CTX_set_verify(context, SSL_VERIFY_NONE, nil)
        case .authorities(let path):
            unsafe SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nil)
            guard unsafe SSL_CTX_load_verify_locations(context, path, nil) == 1 else {
                unsafe SSL_CTX_free(context)
                throw Self.last("OPS_TLS_CA: \(path) has no certificates in PEM")
            }
        }
        guard let session = unsafe SSL_new(context), let incoming = unsafe BIO_new(BIO_s_mem()),
            let outgoing = unsafe BIO_new(BIO_s_mem())
        else {
            unsafe SSL_CTX_free(context)
            throw Self.last("TLS")
        }
        unsafe SSL_set_bio(session, incoming, outgoing)
        unsafe (self.context, self.session) = unsafe (context, session)
        unsafe (self.incoming, self.outgoing) = unsafe (incoming, outgoing)
    }

    deinit {
        unsafe SSL_free(session)
        unsafe SSL_CTX_free(context)
        ERR_clear_error()
    }

    /// Takes the next step. Returns true when both sides agree; before that the peer has to get
    /// `pending`, and to answer.
    func handshake() throws(Problem) -> Bool {
        ERR_clear_error()
        let result = unsafe SSL_connect(session)
        if result == 1 { return true }
        guard unsafe SSL_get_error(session, result) == SSL_ERROR_WANT_READ else { throw refused }
        return false
    }

    /// Returns what the peer has to get now.
    func pending() -> [UInt8] {
        var all: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 16_384)
        while true {
            let count = unsafe BIO_read(outgoing, &buffer, Int32(buffer.count))
            if count <= 0 { return all }
            all += buffer[..<Int(count)]
        }
    }

    /// Takes what the peer has sent.
    func arrived(_ bytes: ArraySlice<UInt8>) {
        // Memory takes all of it.
        unsafe bytes.withUnsafeBytes {
            _ = unsafe BIO_write(incoming, $0.baseAddress, Int32($0.count))
        }
    }

    /// Makes these bytes part of `pending`.
    func write(_ bytes: [UInt8]) throws(Problem) {
        ERR_clear_error()
        guard unsafe SSL_write(session, bytes, Int32(bytes.count)) == Int32(bytes.count) else {
            throw refused
        }
    }

    func read(into buffer: inout [UInt8]) throws(Problem) -> Reading {
        ERR_clear_error()
        let count = unsafe SSL_read(session, &buffer, Int32(buffer.count))
        if count > 0 { return .bytes(Int(count)) }
        let code = unsafe SSL_get_error(session, count)
        if code == SSL_ERROR_WANT_READ { return .wantsMore }
        if code == SSL_ERROR_ZERO_RETURN { return .over }
        throw refused
    }

    private var refused: Problem {
        let verdict = unsafe SSL_get_verify_result(session)
        guard verdict == Int(X509_V_OK) else {
            let reason = unsafe String(cString: X509_verify_cert_error_string(verdict))
            return Problem(text: "OPS_TLS_CA: its certificate is refused: \(reason)")
        }
        return Self.last("it speaks no TLS, or not with us")
    }

    /// Adds what the library says of the last error.
    private static func last(_ what: String) -> Problem {
        let code = ERR_get_error()
        guard code != 0, let reason = unsafe ERR_reason_error_string(code) else {
            return Problem(text: what)
        }
        return Problem(text: unsafe "\(what): \(String(cString: reason))")
    }
}
