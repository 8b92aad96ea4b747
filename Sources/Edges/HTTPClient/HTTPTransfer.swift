internal import CCurl

/// One request that runs, and what came of its answer.
// Safety: the library's handle, its list of headers and the path belong to this object from `init`
// to `deinit`. The library calls back only between, on the client's thread.
@safe
final class HTTPTransfer {
    let number: UInt64
    /// The library's handle.
    let easy: UnsafeMutableRawPointer
    private let peer: String
    private let wanted: Set<String>
    private let configuration: HTTPConfiguration
    private var list: UnsafeMutablePointer<curl_slist>?
    private var caPath: UnsafeMutablePointer<CChar>?
    /// A copy of what is sent; `nil` for a GET.
    private var sent: UnsafeMutableRawBufferPointer?

    private var body: [UInt8] = []
    private var headerBytes = 0
    private var headers: [String: String] = [:]
    private var retryAfter: String?
    /// Whether the headers of the answer have ended; what follows belongs to the body.
    private var isHeadOver = false
    /// Why we ended it.
    private var failure: HTTPError?

    init(_ job: HTTPJob, _ configuration: HTTPConfiguration) throws(HTTPError) {
        number = job.number
        peer = configuration.peer(job.request.url)
        wanted = Set(job.request.wantedHeaders.map { $0.lowercased() })
        self.configuration = configuration
        guard let easy = unsafe curl_easy_init() else {
            throw .lost(peer: peer, code: HTTPFailureCode(CURLE_OUT_OF_MEMORY))
        }
        unsafe self.easy = unsafe easy
        let code = prepare(job)
        guard code == CURLE_OK else { throw .lost(peer: peer, code: HTTPFailureCode(code)) }
    }

    deinit {
        unsafe curl_easy_cleanup(easy)
        unsafe curl_slist_free_all(list)
        unsafe caPath?.deallocate()
        unsafe sent?.deallocate()
    }

    private func prepare(_ job: HTTPJob) -> CURLcode {
        let own = HTTPHeader("User-Agent", configuration.userAgent)
        var lines = ([own] + job.request.headers).map { "\($0.name): \($0.value)" }
        // The library would wait a second for a leave to send a large body.
        if job.request.body != nil { lines += ["Expect:", "Content-Type:"] }
        for line in lines {
            // The library copies the text. It leaves the list alone when it fails.
            guard let longer = unsafe curl_slist_append(list, line) else {
                return CURLE_OUT_OF_MEMORY
            }
            unsafe list = longer
        }
        if let body = job.request.body {
            // An empty body needs a place, too.
            let copy = UnsafeMutableRawBufferPointer.allocate(
                byteCount: max(1, body.count), alignment: 1)
            unsafe copy.copyBytes(from: body)
            unsafe sent = copy
        }
        if !configuration.caPath.isEmpty {
            let text = Array(configuration.caPath.utf8CString)
            let copy = UnsafeMutablePointer<CChar>.allocate(capacity: text.count)
            unsafe copy.initialize(from: text, count: text.count)
            unsafe caPath = copy
        }
        let left = job.deadline - ContinuousClock.now
        let slowSeconds = (configuration.slowTimeout.timeoutMilliseconds + 999) / 1_000
        let proxy = configuration.proxy.isEmpty ? "" : "http://\(configuration.proxy)"
        return unsafe job.request.url.text.withCString { url in
            unsafe proxy.withCString { proxy in
                unsafe configuration.authorities.withCString { authorities in
                    var settings = unsafe shim_request()
                    unsafe settings.url = url
                    unsafe settings.proxy = proxy
                    unsafe settings.authorities = authorities
                    unsafe settings.ca_path = UnsafePointer(caPath)
                    unsafe settings.headers = UnsafePointer(list)
                    if let sent = unsafe sent {
                        unsafe settings.sent = UnsafeRawPointer(sent.baseAddress)
                        unsafe settings.sent_bytes =
                            curl_off_t(job.request.body?.count ?? 0)
                    }
                    unsafe settings.connect_milliseconds =
                        configuration.connectTimeout.timeoutMilliseconds
                    unsafe settings.request_milliseconds = left.timeoutMilliseconds
                    unsafe settings.slow_bytes = configuration.slowBytesPerSecond
                    unsafe settings.slow_seconds = slowSeconds
                    unsafe settings.body_bytes = configuration.bodyBytesMax
                    // Safety: the library uses the pointer only as long as this object exists.
                    let owner = unsafe Unmanaged.passUnretained(self).toOpaque()
                    return unsafe shim_prepare(easy, &settings, onHead, onBody, owner)
                }
            }
        }
    }

    // MARK: what the library reports

    /// Takes a line of headers. Returns false when the request has to end.
    fileprivate func takeHead(_ line: UnsafeRawBufferPointer) -> Bool {
        let most = configuration.headerBytesMax
        guard line.count <= most - headerBytes else {
            failure = .headersTooLarge(peer: peer, bytesMax: most)
            return false
        }
        headerBytes += line.count
        let text = unsafe String(decoding: line, as: UTF8.self).trimmed
        if text.hasPrefix("HTTP/") {
            // An answer before the answer (100, 103) is over.
            headers = [:]
            retryAfter = nil
            isHeadOver = false
        } else if text.isEmpty {
            isHeadOver = true
        } else if !isHeadOver, let colon = text.firstIndex(of: ":") {
            let name = text[..<colon].lowercased()
            let value = text[text.index(after: colon)...].trimmed
            if name == "retry-after" { retryAfter = value }
            if wanted.contains(name) {
                headers[name] = headers[name].map { "\($0), \(value)" } ?? value
            }
        }
        return true
    }

    /// Takes a part of the body, decompressed. Returns false when the request has to end.
    fileprivate func takeBody(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard bytes.count <= configuration.bodyBytesMax - body.count else {
            failure = bodyTooLarge
            body = []
            return false
        }
        unsafe body.append(contentsOf: bytes)
        return true
    }

    private var bodyTooLarge: HTTPError {
        .bodyTooLarge(peer: peer, bytesMax: configuration.bodyBytesMax)
    }

    /// Returns what has become of it, once the library has ended it with the code.
    func result(_ code: CURLcode) -> Result<HTTPResponse, HTTPError> {
        if let failure { return .failure(failure) }
        guard code == CURLE_OK else { return .failure(error(code)) }
        let status = unsafe shim_status(easy)
        guard (200...999).contains(status) else {
            return .failure(.lost(peer: peer, code: HTTPFailureCode(CURLE_WEIRD_SERVER_REPLY)))
        }
        return .success(
            HTTPResponse(
                status: status, body: body, retryAfter: retryTime, headers: headers))
    }

    private func error(_ code: CURLcode) -> HTTPError {
        let raw = HTTPFailureCode(code)
        switch code {
        case CURLE_OPERATION_TIMEDOUT: return .timedOut(peer: peer)
        case CURLE_FILESIZE_EXCEEDED: return bodyTooLarge
        case CURLE_PEER_FAILED_VERIFICATION:
            let text = unsafe shim_certificate_trouble(easy).map { unsafe String(cString: $0) }
            return .untrusted(peer: peer, reason: text ?? "it is for another name")
        case CURLE_COULDNT_RESOLVE_PROXY, CURLE_COULDNT_RESOLVE_HOST, CURLE_COULDNT_CONNECT,
            CURLE_SSL_CONNECT_ERROR, CURLE_SSL_CACERT_BADFILE, CURLE_PROXY:
            return .connect(peer: peer, code: raw)
        case _ where isRefusedByProxy: return .connect(peer: peer, code: raw)
        case _: return .lost(peer: peer, code: raw)
        }
    }

    private var isRefusedByProxy: Bool {
        let status = unsafe shim_proxy_status(easy)
        return status != 0 && !(200...299).contains(status)
    }

    /// The library reads dates, and takes a number that is too large, and nonsense, for none.
    private var retryTime: Duration? {
        guard let retryAfter else { return nil }
        let most = HTTPResponse.retryAfterMax
        if !retryAfter.isEmpty, retryAfter.utf8.allSatisfy({ (0x30...0x39).contains($0) }) {
            return Int64(retryAfter).map { min(.seconds($0), most) } ?? most
        }
        let seconds = unsafe shim_retry_after(easy)
        return seconds == 0 ? nil : max(.zero, min(.seconds(seconds), most))
    }
}

extension StringProtocol {
    /// The text without spaces, tabs and line ends around it.
    fileprivate var trimmed: String {
        let blank = Set(" \t\r\n".utf8)
        var bytes = Array(utf8)[...]
        while let last = bytes.last, blank.contains(last) { bytes.removeLast() }
        return String(decoding: bytes.drop { blank.contains($0) }, as: UTF8.self)
    }
}

private func onHead(
    _ bytes: UnsafeMutablePointer<CChar>?, _ size: Int, _ count: Int,
    _ owner: UnsafeMutableRawPointer?
) -> Int {
    unsafe take(bytes, count, owner) { unsafe $0.takeHead($1) }
}

private func onBody(
    _ bytes: UnsafeMutablePointer<CChar>?, _ size: Int, _ count: Int,
    _ owner: UnsafeMutableRawPointer?
) -> Int {
    unsafe take(bytes, count, owner) { unsafe $0.takeBody($1) }
}

/// Returns how much was taken; less than `count` ends the request. The library's `size` is 1.
private func take(
    _ bytes: UnsafeMutablePointer<CChar>?, _ count: Int, _ owner: UnsafeMutableRawPointer?,
    by body: (HTTPTransfer, UnsafeRawBufferPointer) -> Bool
) -> Int {
    guard let owner = unsafe owner, count > 0 else { return 0 }
    // Safety: `HTTPTransfer` exists as long as its handle.
    let transfer = unsafe Unmanaged<HTTPTransfer>.fromOpaque(owner).takeUnretainedValue()
    return unsafe body(transfer, UnsafeRawBufferPointer(start: bytes, count: count)) ? count : 0
}
