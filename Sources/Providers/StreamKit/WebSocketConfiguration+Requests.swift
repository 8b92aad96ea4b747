package import HTTPClient
package import WebSocketClient

extension WebSocketConfiguration {
    /// How requests reach the service whose streams are reached so.
    package var forRequests: HTTPConfiguration {
        var requests = HTTPConfiguration()
        requests.proxy = proxy
        requests.caPath = caPath
        requests.userAgent = userAgent
        requests.connectTimeout = connectTimeout
        return requests
    }
}
