(component
  (import "wasi:sockets/tcp@0.2.6" (instance))
  (import "wasi:http/outgoing-handler@0.2.12" (instance))
  (import "postern:provider/http@0.1.0" (instance
    (export "send" (func (param "request" string) (result string)))))
  (import "evil:host/shell@1.0.0" (instance)))
